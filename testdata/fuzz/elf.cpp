// Headers, symbols, build id and unwind tables of an image, as the collector reads them.
#include <algorithm>
#include <span>

#include "unwind/cie.h"
#include "unwind/eh_frame.h"
#include "unwind/image.h"

using namespace ipcdoctor::unwind;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  auto elf = ElfFile::parse(std::vector<std::byte>(bytes.begin(), bytes.end()));
  if (!elf) {
    (void)build_frame_table(bytes, 0x1000);
    (void)parse_frame_table_header(bytes);
    const auto half = size / 2;
    if (half >= 8) (void)find_frame_rule(bytes.first(half), bytes.subspan(half), 0x1000, 0x1010);
    return 0;
  }
  (void)elf->build_id();
  (void)elf->address_of_offset(0x1000, true);
  Image image(*std::move(elf), "/home/u/app (deleted)");
  const SymbolTable& symbols = image.symbols();
  (void)symbols.address_of("main");
  for (const auto& function : symbols.functions()) (void)demangle(symbols.name_of(function));
  const UnwindTable* table = image.unwind_table();
  for (std::uint64_t address = 0x1000; address < 0x1400; address += 0x10) {
    (void)symbols.find_function(address);
    (void)symbols.find_variable(address + 0x3000);
    (void)image.frame_rule(address);
  }
  for (std::size_t i = 0; table != nullptr && i < std::min<std::size_t>(table->rows.size(), 64);
       ++i)
    (void)image.frame_rule(table->base +
                           static_cast<std::uint64_t>(std::int64_t{table->rows[i].start}) + 1);
  return 0;
}
