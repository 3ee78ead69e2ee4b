#include "transport/tls/der.h"

#include <ctime>

#include "transport/base/check.h"

namespace fairlead::der {

std::string element(std::uint8_t tag, std::string_view value) {
  CHECK(value.size() < (1U << 24));
  std::string out(1, static_cast<char>(tag));
  if (value.size() < 0x80) {
    out += static_cast<char>(value.size());
  } else {
    const unsigned bytes = value.size() > 0xffff ? 3 : value.size() > 0xff ? 2 : 1;
    out += static_cast<char>(0x80 | bytes);
    for (unsigned i = bytes; i > 0; --i)
      out += static_cast<char>(value.size() >> (8 * (i - 1)));
  }
  return out.append(value);
}

std::string time(std::int64_t unix_s) {
  constexpr std::int64_t kYear2050 = 2'524'608'000;
  const bool is_short = unix_s < kYear2050;
  const std::time_t seconds = unix_s;
  std::tm calendar{};
  CHECK(gmtime_r(&seconds, &calendar) != nullptr);
  char digits[32];
  const std::size_t size =
      std::strftime(digits, sizeof digits, is_short ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &calendar);
  return element(is_short ? kUtcTime : kGeneralizedTime, {digits, size});
}

}  // namespace fairlead::der
