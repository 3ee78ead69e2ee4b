// What a redeemed access token was answered with, checked, and in the shape in which it is put to use: whatever the
// other site called things, the Secret has the token's name, and so has the Link, or each of several with a number
// behind it. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "transport/base/error.h"

namespace fairlead {

struct TokenAnswer {
  std::string name;       // of the token
  std::string from;       // where it comes from, for messages and the comment at the top
  std::string_view text;  // YAML: Secret and Links
  std::string key;        // ours, PEM: for an answer without one
  std::uint32_t link_cost = 1;
  std::string role{};  // of this site: links without an endpoint for it are left out. Empty: not known yet
};

// YAML for input/resources or runtime/: holds a private key. Fails if the answer cannot make a link.
Result<std::string> make_link_resources(const TokenAnswer& answer);

}  // namespace fairlead
