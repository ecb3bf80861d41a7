# The style and the script of the HTML report: page.cpp from page.css and page.js, with the hashes
# that the page's Content-Security-Policy names.
function(ipcdoctor_page output)
  set(parts "")
  foreach(part style:css script:js)
    string(REGEX MATCH "^[a-z]+" name ${part})
    string(REGEX MATCH "[a-z]+$" ending ${part})
    set(file ${PROJECT_SOURCE_DIR}/lib/report/page.${ending})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} text)
    file(SHA256 ${file} hash)
    string(APPEND parts "PagePart page_${name}() {\n  return {R\"~page~(${text})~page~\", \"${hash}\"};\n}\n")
  endforeach()
  file(WRITE ${output}.new "// Made by page.cmake; do not edit.\n#include \"report/page.h\"\n
namespace ipcdoctor::report {\n\n${parts}\n}  // namespace ipcdoctor::report\n")
  configure_file(${output}.new ${output} COPYONLY)  # touches it only when the text changed
endfunction()
