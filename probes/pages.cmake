# The pages of the classes as data: pages.cpp from probes/*/README.md.
function(ipcdoctor_pages output)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/probes/*/README.md)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${pages})
  set(entries "")
  foreach(page IN LISTS pages)
    get_filename_component(folder ${page} DIRECTORY)
    get_filename_component(slug ${folder} NAME)
    string(REPLACE "_" "-" slug ${slug})
    file(READ ${page} text)
    string(APPEND entries "    {\"${slug}\", R\"~page~(${text})~page~\"},\n")
  endforeach()
  file(WRITE ${output}.new "// Made by pages.cmake; do not edit.\n#include \"probes/pages.h\"\n
namespace ipcdoctor::probes {

const std::vector<Page>& pages() {
  static const std::vector<Page> kPages = {\n${entries}  };
  return kPages;
}

}  // namespace ipcdoctor::probes\n")
  configure_file(${output}.new ${output} COPYONLY)  # touches it only when the text changed
endfunction()
