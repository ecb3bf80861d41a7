#!/bin/bash
# healthy: what it reads from is held by a helper that it left behind, and that ends of its own accord
echo READY
x=$(sleep 50 & echo hi)
echo "$x"
