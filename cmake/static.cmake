# The libraries that are not ours, as shared ones, or as archives for a target with the property IPCDOCTOR_STATIC; and
# that target: ipcdoctor-static, linked from the same objects. It needs nothing of the system that it runs on: no
# library and no file of one, since nothing in it asks glibc for users, hosts, character sets, locales or modules.
# It is no static PIE: Debian's libunwind-x86_64.a is not compiled for one.

# ipcdoctor_outside(NAME SHARED... ARCHIVES FILE...): the target outside_NAME. Archives that are not there are told in
# IPCDOCTOR_NO_STATIC; flags pass through.
function(ipcdoctor_outside name)
  cmake_parse_arguments(PARSE_ARGV 1 outside "" "" "ARCHIVES")
  set(archives "")
  foreach(file IN LISTS outside_ARCHIVES)
    if(file MATCHES "^lib")
      find_library(IPCDOCTOR_${file} ${file})
      mark_as_advanced(IPCDOCTOR_${file})
      if(IPCDOCTOR_${file})
        list(APPEND archives ${IPCDOCTOR_${file}})
      elseif(NOT file STREQUAL "libzstd.a")  # elfutils may be built without
        set_property(GLOBAL APPEND PROPERTY IPCDOCTOR_NO_STATIC ${file})
      endif()
    else()
      list(APPEND archives ${file})
    endif()
  endforeach()
  add_library(outside_${name} INTERFACE)
  target_link_libraries(outside_${name} INTERFACE
    "$<IF:$<BOOL:$<TARGET_PROPERTY:IPCDOCTOR_STATIC>>,${archives},${outside_UNPARSED_ARGUMENTS}>")
endfunction()

function(ipcdoctor_static objects)
  get_property(missing GLOBAL PROPERTY IPCDOCTOR_NO_STATIC)
  if(missing)
    message(STATUS "no static binary: there is no ${missing}")
    return()
  endif()
  add_executable(ipcdoctor-static)
  set_target_properties(ipcdoctor-static PROPERTIES
    IPCDOCTOR_STATIC TRUE
    OUTPUT_NAME ipcdoctor
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/static)
  target_link_libraries(ipcdoctor-static PRIVATE ${objects} hardening)
  target_link_options(ipcdoctor-static PRIVATE -static -s -Wl,--gc-sections)
endfunction()

# elfutils decompresses sections, libunwind the symbol table in .gnu_debugdata
ipcdoctor_outside(elf PkgConfig::DW PkgConfig::ELF PkgConfig::LZMA
                  ARCHIVES libdw.a libelf.a liblzma.a libbz2.a libz.a libzstd.a)
# -lgcc_eh: before libunwind.a, which has the functions of the C++ runtime once more
ipcdoctor_outside(unwind PkgConfig::UNWIND unwind-x86_64
                  ARCHIVES libunwind-x86_64.a -lgcc_eh libunwind.a liblzma.a)
# Always its archive, where there is one: the shared library has the tables of twelve architectures, whose 77 000
# relocations are two fifths of the time in which a program that is linked to it starts.
find_library(IPCDOCTOR_libcapstone.a libcapstone.a)
mark_as_advanced(IPCDOCTOR_libcapstone.a)
if(IPCDOCTOR_libcapstone.a)
  add_library(capstone_x86_only OBJECT cmake/capstone_x86_only.c)
  target_compile_options(capstone_x86_only PRIVATE -fPIE)
  add_library(outside_capstone INTERFACE)
  target_include_directories(outside_capstone SYSTEM INTERFACE ${CAPSTONE_INCLUDE_DIRS})
  target_link_libraries(outside_capstone INTERFACE
    $<TARGET_OBJECTS:capstone_x86_only> ${IPCDOCTOR_libcapstone.a})
else()
  set_property(GLOBAL APPEND PROPERTY IPCDOCTOR_NO_STATIC libcapstone.a)
  add_library(outside_capstone ALIAS PkgConfig::CAPSTONE)
endif()
