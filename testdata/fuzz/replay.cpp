// The fuzz targets without libFuzzer, for any compiler: `replay N FILE...` gives each file to the
// target, and N changed copies of it, always the same ones.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

/// A few bytes are others, a piece is missing or there twice, or the end is.
Bytes changed(Bytes bytes, std::mt19937& random) {
  const auto below = [&](std::size_t bound) {
    return bound == 0 ? 0 : static_cast<std::size_t>(random()) % bound;
  };
  for (std::size_t n = 1 + below(8); n > 0 && !bytes.empty(); --n) {
    const std::size_t at = below(bytes.size());
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t length = 1 + below(std::min<std::size_t>(bytes.size() - at, 64));
    const auto end = place + static_cast<std::ptrdiff_t>(length);
    switch (below(6)) {
      case 0:
        bytes.erase(place, end);
        break;
      case 1: {
        const Bytes piece(place, end);
        bytes.insert(place, piece.begin(), piece.end());
        break;
      }
      case 2:
        bytes.resize(at);
        break;
      case 3:
        *place = static_cast<std::uint8_t>(random());
        break;
      default: {
        constexpr std::uint8_t kEdges[] = {0, 1, 0x7f, 0x80, 0xff};
        *place = kEdges[below(std::size(kEdges))];
      }
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const int copies = argc > 1 ? std::atoi(argv[1]) : 0;
  int runs = 0;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const Bytes bytes{std::istreambuf_iterator<char>(file), {}};
    std::mt19937 random(static_cast<std::uint32_t>(i));
    (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    for (int copy = 0; copy < copies; ++copy) {
      const Bytes other = changed(bytes, random);
      (void)LLVMFuzzerTestOneInput(other.data(), other.size());
    }
    runs += 1 + copies;
  }
  std::printf("%d runs\n", runs);
  return runs > 0 ? 0 : 1;
}
