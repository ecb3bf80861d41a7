// A snapshot as JSON, or as the bytes that the collector sends.
#include "report_on.h"
#include "snapshot/bytes.h"

using namespace ipcdoctor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('{')) {
    load_and_report(text);
    return 0;
  }
  (void)snapshot::decode_stacks(text);
  if (const auto snapshot = snapshot::decode(text)) report_on(*snapshot);
  return 0;
}
