# The version: "0.1.0" at the tag v0.1.0 and where there is no git, "0.1.0+4.g1a2b3c4" four commits later, and
# "0.1.0+g1a2b3c4" where no tag is; ".dirty" at the end if files were changed. PEP 440, SemVer, dpkg and rpm all take it.
#
#     cmake -DVERSION=0.1.0 -P cmake/version.cmake                   prints it
#     cmake -DVERSION=0.1.0 -DOUTPUT=version.cpp -P cmake/version.cmake    writes the source with it, if it changed
set(source ${CMAKE_CURRENT_LIST_DIR}/..)
set(version ${VERSION})
if(EXISTS ${source}/.git)
  execute_process(COMMAND git describe --tags --long --always --dirty=.dirty --abbrev=9 --match "v[0-9]*"
    WORKING_DIRECTORY ${source} OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(described MATCHES "^v([0-9.]+)-([0-9]+)-(g[0-9a-f]+)([.]dirty)?$")
    set(version ${CMAKE_MATCH_1})
    if(NOT CMAKE_MATCH_2 EQUAL 0)
      set(version ${version}+${CMAKE_MATCH_2}.${CMAKE_MATCH_3}${CMAKE_MATCH_4})
    elseif(CMAKE_MATCH_4)
      set(version ${version}+dirty)
    endif()
  elseif(described MATCHES "^([0-9a-f]+)([.]dirty)?$")
    set(version ${version}+g${CMAKE_MATCH_1}${CMAKE_MATCH_2})
  endif()
endif()
if(NOT OUTPUT)
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo ${version})
  return()
endif()
file(WRITE ${OUTPUT}.new "#include \"cmd/ipcdoctor/version.h\"\n\nnamespace ipcdoctor::cmd {\n
const char* const kVersion = \"${version}\";\n\n}  // namespace ipcdoctor::cmd\n")
configure_file(${OUTPUT}.new ${OUTPUT} COPYONLY)  # touches it only when it changed
