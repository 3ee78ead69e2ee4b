// ca.crl, as a bundle has it: read, judged by the CAs that stand in the same text, and a chain judged by it.
//
// First byte of the input: odd: a text, PEM. Even: in DER, each with two bytes of length before it: a CA and lists.
#include <algorithm>
#include <string>

#include "router/site/base64.h"
#include "tests/fuzz/fuzz_target.h"
#include "transport/tls/certificate_info.h"
#include "transport/tls/pem.h"
#include "transport/tls/revocation.h"

namespace fairlead {
namespace {

void judge(std::vector<Der> authorities, std::string_view crls) {
  auto lists = read_revocation_lists(crls);
  if (!lists) {
    expect(!lists.error().message.empty() && is_harmless(lists.error().message));
    return;
  }
  expect(!lists->empty());
  const std::vector<Der> chain = authorities;
  const auto made = PeerJudge::make(std::move(authorities), std::move(*lists));
  if (!made) {
    expect(!made.error().message.empty() && is_harmless(made.error().message));
    return;
  }
  expect(made->has_lists());
  if (const auto judged = made->judge(chain); !judged) expect(is_harmless(judged.error().message));
}

std::string armoured(std::span<const std::uint8_t> der) {
  const std::string_view bytes(reinterpret_cast<const char*>(der.data()), der.size());
  return "-----BEGIN X509 CRL-----\n" + encode_base64(bytes) + "\n-----END X509 CRL-----\n";
}

void fuzz_der(std::span<const std::uint8_t> input) {
  std::vector<Der> parts;
  while (input.size() > 2) {
    const std::size_t wanted = static_cast<std::size_t>(input[0]) << 8 | input[1];
    input = input.subspan(2);
    const auto part = input.first(std::min(wanted, input.size()));
    parts.emplace_back(part.begin(), part.end());
    input = input.subspan(part.size());
  }
  if (parts.empty()) return;
  std::string crls;
  for (std::size_t i = 1; i < parts.size(); ++i)
    crls += armoured(parts[i]);
  judge({parts[0]}, crls);
}

void fuzz_text(std::string_view text) {
  std::vector<Der> authorities;
  for (const std::string_view block : pem_blocks(text, "CERTIFICATE")) {
    if (auto der = certificate_der(block)) authorities.push_back(std::move(*der));
  }
  judge(std::move(authorities), text);
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  const auto rest = input.subspan(1);
  if ((input[0] & 1) != 0) {
    fuzz_text({reinterpret_cast<const char*>(rest.data()), rest.size()});
  } else {
    fuzz_der(rest);
  }
}

}  // namespace fairlead
