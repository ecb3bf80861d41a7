#include "linux/auxv.h"

#include <elf.h>

#include <cstring>

namespace ipcdoctor::linux {

Result<AuxVector> parse_auxv(std::string_view bytes) {
  const Error malformed{Cause::Malformed, 0, "parse auxv"};
  AuxVector auxv;
  if (bytes.empty()) return auxv;
  for (;;) {
    std::uint64_t pair[2];
    if (bytes.size() < sizeof pair) return malformed;
    std::memcpy(pair, bytes.data(), sizeof pair);
    bytes.remove_prefix(sizeof pair);
    if (pair[0] == AT_NULL) return auxv;
    auxv.emplace_back(pair[0], pair[1]);
  }
}

Result<AuxVector> read_auxv(const ProcDir& process) {
  const auto bytes = process.read("auxv", 64 << 10);
  if (!bytes) return bytes.error();
  return parse_auxv(*bytes);
}

Result<std::uint64_t> find_auxv(const AuxVector& auxv, std::uint64_t key) {
  for (const auto& [k, value] : auxv) {
    if (k == key) return value;
  }
  return Error{Cause::Gone, 0, "find auxv " + std::to_string(key)};
}

Result<ImageStamp> read_image_stamp(const ProcDir& process, const ProcessMemory& memory) {
  const auto auxv = read_auxv(process);
  if (!auxv) return auxv.error();
  const auto random = find_auxv(*auxv, AT_RANDOM);
  if (!random) return random.error();
  const RemoteAddr address{*random};
  const auto bytes = memory.read_object<decltype(ImageStamp::random)>(address);
  if (!bytes) return bytes.error();
  return ImageStamp{address, *bytes};
}

bool has_stamp(const ProcessMemory& memory, const ImageStamp& stamp) {
  const auto bytes = memory.read_object<decltype(ImageStamp::random)>(stamp.address);
  return bytes && *bytes == stamp.random;
}

}  // namespace ipcdoctor::linux
