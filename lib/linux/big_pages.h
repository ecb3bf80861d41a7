#pragma once

namespace ipcdoctor::linux {

/// Has what malloc(3) takes from now on come in big pages, where the kernel has such (madvise(2),
/// MADV_HUGEPAGE): the first touch of a small one can cost more than what is read into it. Memory
/// that was freed is kept. For a process that soon ends; where its address space is limited it does
/// nothing.
void use_big_pages();

}  // namespace ipcdoctor::linux
