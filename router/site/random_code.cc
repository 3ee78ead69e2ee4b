#include "router/site/random_code.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>

#include <sys/random.h>

namespace fairlead {

Result<std::string> make_random_code() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr std::size_t kSize = 32;
  // Bytes beyond the last whole multiple would make some letters more frequent.
  constexpr unsigned kUsable = 256 / kLetters.size() * kLetters.size();
  std::string code;
  while (code.size() < kSize) {
    std::array<std::uint8_t, 64> bytes{};
    if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      return std::unexpected(error_from_errno(errno, "cannot get random bytes"));
    }
    for (const std::uint8_t byte : bytes) {
      if (byte < kUsable && code.size() < kSize) code += kLetters[byte % kLetters.size()];
    }
  }
  return code;
}

}  // namespace fairlead
