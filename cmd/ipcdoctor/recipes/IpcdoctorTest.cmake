# Each test of a project under `ipcdoctor run`: one that hangs ends with the reason, not with "Timeout".
#
#     include(IpcdoctorTest)
#     ipcdoctor_watch_tests(--timeout 2m)   # options of `ipcdoctor run`; before the targets are made
#     add_executable(t t.cpp)
#     add_test(NAME t COMMAND t)            # or gtest_discover_tests(t)
#
# It takes the tests whose command is an executable target of the project, made after this in the same directory or
# below. Without ipcdoctor on PATH (or in IPCDOCTOR_EXECUTABLE) the tests run as they are.

find_program(IPCDOCTOR_EXECUTABLE ipcdoctor DOC "watches the tests")

macro(ipcdoctor_watch_tests)
  if(IPCDOCTOR_EXECUTABLE)
    # Before 3.29 the emulator is used for native targets too, as a prefix (policy CMP0158).
    if(CMAKE_VERSION VERSION_LESS 3.29)
      set(CMAKE_CROSSCOMPILING_EMULATOR ${IPCDOCTOR_EXECUTABLE} run ${ARGN} --)
    else()
      set(CMAKE_TEST_LAUNCHER ${IPCDOCTOR_EXECUTABLE} run ${ARGN} --)
    endif()
  else()
    message(STATUS "ipcdoctor was not found: tests run without it")
  endif()
endmacro()
