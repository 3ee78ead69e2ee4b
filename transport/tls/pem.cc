#include "transport/tls/pem.h"

#include <string>

#include "transport/tls/wolfssl.h"

namespace fairlead {

std::vector<std::string_view> pem_blocks(std::string_view text, std::string_view label) {
  const std::string begin = std::string("-----BEGIN ").append(label).append("-----");
  const std::string end = std::string("-----END ").append(label).append("-----");
  std::vector<std::string_view> blocks;
  for (std::size_t from = text.find(begin); from != std::string_view::npos; from = text.find(begin, from)) {
    std::size_t to = text.find(end, from);
    if (to == std::string_view::npos) break;
    to += end.size();
    blocks.push_back(text.substr(from, to - from));
    from = to;
  }
  return blocks;
}

Result<std::vector<std::uint8_t>> certificate_der(std::string_view pem_block) {
  ensure_wolfssl();
  // Base64 makes 4 bytes of 3, so that DER is always the shorter one.
  std::vector<std::uint8_t> der(pem_block.size());
  const int size = wc_CertPemToDer(reinterpret_cast<const byte*>(pem_block.data()), static_cast<int>(pem_block.size()),
                                   der.data(), static_cast<int>(der.size()), CERT_TYPE);
  if (size <= 0) return fail(ErrorCode::kInvalid, "not a PEM certificate: " + wolfssl_error_text(size));
  der.resize(static_cast<std::size_t>(size));
  return der;
}

}  // namespace fairlead
