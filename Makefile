# A thin front over CMake. `make` alone lists the targets.
BUILD ?= build
JOBS ?= $(shell nproc)
GENERATOR := $(if $(shell command -v ninja),-G Ninja,)

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/  \1\t/' | expand -t 18

.PHONY: help
