// What fuzz targets share. Each defines fuzz(); fuzz_target.cc calls it from libFuzzer's entry, and for no empty input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

namespace fairlead {

using Bytes = std::vector<std::uint8_t>;

// A broken expectation has to end the fuzzer, in release builds too.
inline void expect(bool condition) {
  if (!condition) std::abort();
}

// Of texts that end up in messages and on terminals.
inline bool is_harmless(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

// `input` is never empty, and has memory of its own, so that a step beyond it is seen.
void fuzz(std::span<const std::uint8_t> input);

}  // namespace fairlead
