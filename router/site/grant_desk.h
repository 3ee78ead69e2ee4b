// GrantDesk: answers requests to redeem an access token. The protocol is Skupper's: POST /<uid> with the code as body
// and the headers `name` (of the link to be) and `subject` (who redeems); the answer is a Secret and a Link as YAML.
// Between fairlead sites there is one header more, `certificate-request` (PKCS #10, DER in base64): then the redeemer's
// key stays where it is, and asking again with the same key gives the answer again, if it was lost.
//
//   200 redeemed                     404 no such grant, or expired, or used up    429 too many wrong attempts
//   400 name, subject or request     405 not POST                                 500 no certificate could be made
//   403 the code does not match      413, 431 too long                            503 the redemption could not be
//   stored
//
// A redemption is spent when, and only when, its certificate is made and the record of it is on the disk.
// Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "router/site/attempt_limits.h"
#include "router/site/grant_book.h"
#include "router/site/http_reader.h"
#include "router/site/link_generator.h"
#include "transport/base/time.h"

namespace fairlead {

class GrantDesk {
 public:
  // Makes the answer; the host is what the client reached us by, empty if it did not say.
  using Issue = std::function<Result<std::string>(RedemptionRequest request)>;

  // `book` outlives this.
  GrantDesk(GrantBook& book, Issue issue) : book_(book), issue_(std::move(issue)) {}

  // `from` is the client's address.
  HttpResponse answer(const HttpRequest& request, const std::string& from, std::int64_t now_unix_s, Instant now);

 private:
  HttpResponse redeem(const HttpRequest& request, const std::string& from, std::int64_t now_unix_s, Instant now);
  HttpResponse refuse(GrantBook::Refusal refusal, const std::string& from, Instant now);
  void log_refusal(const std::string& from, const HttpResponse& response, Instant now);

  GrantBook& book_;
  Issue issue_;
  AttemptLimits attempts_{10, Duration::seconds(60), 4096};  // of an address

  struct LogLimit {
    Instant next{};
    unsigned unlogged = 0;
  };

  std::map<unsigned, LogLimit> log_limits_;  // by status
};

// An address as far as one client can choose it: of IPv6 the first 64 bits.
std::string client_network(const std::string& address);

}  // namespace fairlead
