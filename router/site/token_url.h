// The URL of an access token: https://HOST[:PORT]/PATH, nothing more.
#pragma once

#include <string>
#include <string_view>

#include "transport/base/error.h"
#include "transport/config.h"

namespace fairlead {

struct TokenUrl {
  HostPort endpoint;
  std::string target;  // the path, with its slash
};

// Fails with kInvalid and the end of a sentence ("found '…'; needed is …").
Result<TokenUrl> parse_token_url(std::string_view text);

std::string to_string(const TokenUrl& url);

}  // namespace fairlead
