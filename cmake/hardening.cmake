# What the program is compiled and linked with because it reads what hostile programs wrote. Tests go without:
# _FORTIFY_SOURCE needs an optimiser. package_live_test.cpp looks whether the binary has it.
include(CheckCXXCompilerFlag)

add_library(hardening INTERFACE)
target_compile_options(hardening INTERFACE -fPIE -fstack-protector-strong)
# the folder of the build is no part of the program: wherever it is built, it has the same bytes
target_compile_options(hardening INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
check_cxx_compiler_flag(-fcf-protection IPCDOCTOR_HAVE_CF_PROTECTION)
if(IPCDOCTOR_HAVE_CF_PROTECTION)
  target_compile_options(hardening INTERFACE -fcf-protection)
endif()
if(NOT IPCDOCTOR_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL Debug)
  # 3 is known since g++ 12 and clang 9 with glibc 2.34; older ones warn of it
  set(CMAKE_REQUIRED_FLAGS "-O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_cxx_source_compiles("#include <string.h>\nint main() { return 0; }" IPCDOCTOR_HAVE_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  target_compile_options(hardening INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<BOOL:${IPCDOCTOR_HAVE_FORTIFY_3}>,3,2>)
endif()
target_link_options(hardening INTERFACE
  $<IF:$<BOOL:$<TARGET_PROPERTY:IPCDOCTOR_STATIC>>,-no-pie,-pie> -Wl,-z,relro,-z,now,-z,noexecstack)
