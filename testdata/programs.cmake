# The programs that hang on purpose: testdata/programs/<class or healthy>/<name>.c or .cpp becomes
# build/programs/<class>/<name>; scripts are copied there.
file(GLOB program_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.c
     ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.cpp)
add_custom_target(programs ALL)
foreach(source IN LISTS program_sources)
  get_filename_component(folder ${source} DIRECTORY)
  get_filename_component(class ${folder} NAME)
  get_filename_component(name ${source} NAME_WE)
  add_executable(program_${class}_${name} ${source})
  set_target_properties(program_${class}_${name} PROPERTIES OUTPUT_NAME ${name} C_EXTENSIONS ON CXX_EXTENSIONS ON
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/programs/${class})
  # -g -O0 and no sanitizer: what users debug, and what a target must not be
  set_target_properties(program_${class}_${name} PROPERTIES COMPILE_OPTIONS "-g;-O0;-pthread" LINK_OPTIONS "-pthread")
  add_dependencies(programs program_${class}_${name})
endforeach()

file(GLOB scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.py
     ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.sh ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.rb
     ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.pl ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.php
     ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.js)
foreach(script IN LISTS scripts)
  get_filename_component(folder ${script} DIRECTORY)
  get_filename_component(class ${folder} NAME)
  get_filename_component(name ${script} NAME)
  configure_file(${script} ${CMAKE_BINARY_DIR}/programs/${class}/${name} COPYONLY)  # again whenever it changes
endforeach()

# Go is needed by nobody else; where it is not installed their tests are skipped.
find_program(GO go)
if(GO)
  file(GLOB go_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.go)
  foreach(source IN LISTS go_sources)
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(class ${folder} NAME)
    get_filename_component(name ${source} NAME_WE)
    set(binary ${CMAKE_BINARY_DIR}/programs/${class}/${name})
    add_custom_command(OUTPUT ${binary} DEPENDS ${source}
      COMMAND ${CMAKE_COMMAND} -E env GOCACHE=${CMAKE_BINARY_DIR}/go-cache GO111MODULE=off GOFLAGS= CGO_ENABLED=0
              ${GO} build -o ${binary} ${source})
    list(APPEND go_programs ${binary})
  endforeach()
  add_custom_target(go_programs DEPENDS ${go_programs})
  add_dependencies(programs go_programs)
endif()

# What `ipcdoctor demo CLASS` starts, and so what is installed: the first of each class by name.
set(demo_programs "")
file(GLOB classes CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/testdata/programs/*)
foreach(folder IN LISTS classes)
  get_filename_component(class ${folder} NAME)
  if(class STREQUAL healthy)
    continue()
  endif()
  file(GLOB names RELATIVE ${folder} ${folder}/*.c ${folder}/*.cpp ${folder}/*.py ${folder}/*.sh)
  list(TRANSFORM names REPLACE "\\.(c|cpp)$" "")
  if(NOT names)
    continue()  # a file, or what an interpreter left
  endif()
  list(SORT names)
  list(GET names 0 first)
  list(APPEND demo_programs ${class}/${first})
endforeach()
