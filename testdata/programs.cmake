# The programs that hang on purpose: testdata/programs/<class or healthy>/<name>.c or .cpp becomes
# build/programs/<class>/<name>. Scripts run from where they are.
file(GLOB program_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.c
     ${PROJECT_SOURCE_DIR}/testdata/programs/*/*.cpp)
add_custom_target(programs)
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
