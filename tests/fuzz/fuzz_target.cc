#include "tests/fuzz/fuzz_target.h"

#include <cstddef>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  fairlead::fuzz(fairlead::Bytes(data, data + size));
  return 0;
}
