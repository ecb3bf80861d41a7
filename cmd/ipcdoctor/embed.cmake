# Texts of the repository that the program prints: embedded.cpp from the programs of `demo` and the JSON schema.
function(ipcdoctor_embed output)
  set(schema ${PROJECT_SOURCE_DIR}/lib/report/report.schema.json)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${schema})
  set(demos "")
  foreach(demo testdata/programs/unclosed_write_end/consumer_keeps_end.py cmd/ipcdoctor/reads_its_own_pipe.sh)
    get_filename_component(name ${demo} NAME)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${demo})
    file(READ ${PROJECT_SOURCE_DIR}/${demo} text)
    string(APPEND demos "    {\"${name}\", R\"~page~(${text})~page~\"},\n")
  endforeach()
  file(READ ${schema} schema_text)
  file(WRITE ${output}.new "// Made by embed.cmake; do not edit.\n#include \"cmd/ipcdoctor/embedded.h\"\n
namespace ipcdoctor::cmd {

const std::vector<DemoText>& demo_texts() {
  static const std::vector<DemoText> kDemos = {\n${demos}  };
  return kDemos;
}

std::string_view report_schema() { return R\"~page~(${schema_text})~page~\"; }

}  // namespace ipcdoctor::cmd\n")
  configure_file(${output}.new ${output} COPYONLY)  # touches it only when the text changed
endfunction()
