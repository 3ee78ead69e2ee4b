// Access tokens, from both ends. The first byte of the input chooses:
//   0  requests as bytes, to a desk with one grant, whose code is CODE; each answer must be one of the protocol's
//   1  a certificate request, DER
//   2  the bytes of an answer, and what is made of it
//   3  the URL of a token
#include <algorithm>
#include <array>
#include <string>

#include "router/site/grant_desk.h"
#include "router/site/http_reader.h"
#include "router/site/token_answer.h"
#include "router/site/token_url.h"
#include "tests/fuzz/fuzz_target.h"
#include "transport/base/log.h"
#include "transport/tls/certificates.h"

namespace fairlead {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;
const char kCode[] = "CODECODE";

void quiet(LogLevel, std::string_view) noexcept {}

bool is_of_the_protocol(unsigned status) {
  constexpr std::array<unsigned, 10> kAll = {200, 400, 403, 404, 405, 413, 429, 431, 500, 503};
  return std::ranges::find(kAll, status) != kAll.end();
}

void check(const HttpResponse& response, const HttpRequest& request) {
  expect(is_of_the_protocol(response.status));
  std::string_view line = response.body;
  expect(line.ends_with('\n'));
  line.remove_suffix(1);
  expect(!line.empty() && is_harmless(line));
  expect(to_bytes(response, request).starts_with("HTTP/1."));
}

void fuzz_requests(std::string_view bytes) {
  // No record can be written, so what is redeemed is refused in the end: nothing is left behind.
  GrantBook book("/proc/no/such/place");
  GrantDesk desk(book, [](const RedemptionRequest& request) -> Result<std::string> {
    expect(!request.name.empty() && !request.subject.empty() && is_harmless(request.subject));
    return "documents\n";
  });
  AccessGrant grant;
  grant.metadata.name = "one";
  grant.code = kCode;
  book.set_grants({grant}, kNow);
  HttpReader reader(1024);
  // In two pieces, to begin with.
  reader.put(bytes.substr(0, bytes.size() / 2));
  static_cast<void>(reader.idle());
  for (int round = 0; round < 2; ++round) {
    while (true) {
      const auto request = reader.next();
      if (!request) return check(request.error(), {});
      if (!*request) break;
      expect((*request)->body.size() <= 1024);
      check(desk.answer(**request, "192.0.2.1", kNow, Instant{1}), **request);
    }
    if (round == 0) reader.put(bytes.substr(bytes.size() / 2));
  }
}

void fuzz_certificate_request(std::string_view der) {
  const auto key = public_key_of_request(der);
  if (!key) return expect(is_harmless(key.error().message));
  expect(!key->empty());
  static const auto ca = make_ca({.common_name = "a CA", .kind = KeyKind::kEd25519}).value();
  // What is signed must be something that can be read again.
  const auto cert = certify(ca, {.common_name = "x", .client_only = true}, *key);
  expect(!cert || cert->starts_with("-----BEGIN CERTIFICATE-----"));
}

void fuzz_answer(std::string_view bytes) {
  HttpAnswerReader reader(64 * 1024);
  std::string body;
  if (const auto answer = reader.put(bytes); !answer) {
    expect(is_harmless(answer.error()));
    return;
  } else if (*answer) {
    body = (*answer)->body;
  } else if (const auto ended = reader.end(); ended) {
    body = ended->body;
  }
  static const std::string key = make_key(KeyKind::kEd25519).value();
  const auto made = make_link_resources({"west", "https://gw", body, key, 1, "inter-router"});
  expect(made ? made->starts_with("# Made by") : is_harmless(made.error().message));
}

void fuzz_url(std::string_view text) {
  const auto url = parse_token_url(text);
  if (!url) return expect(is_harmless(url.error().message));
  expect(is_harmless(url->target) && is_harmless(url->endpoint.host));
  const auto again = parse_token_url(to_string(*url));
  expect(again && again->endpoint == url->endpoint && again->target == url->target);
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  set_log_sink(quiet);
  const std::string_view rest(reinterpret_cast<const char*>(input.data()) + 1, input.size() - 1);
  switch (input[0] % 4) {
    case 0:
      return fuzz_requests(rest);
    case 1:
      return fuzz_certificate_request(rest);
    case 2:
      return fuzz_answer(rest);
    default:
      return fuzz_url(rest);
  }
}

}  // namespace fairlead
