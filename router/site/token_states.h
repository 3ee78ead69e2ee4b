// What is known of access grants and tokens while a gateway runs, for their status.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "router/site/grant_book.h"

namespace fairlead {

// Of all grants of a site: where they can be redeemed.
struct GrantAddress {
  std::string host_port;  // of the URLs; empty: nowhere yet
  std::string ca;         // PEM: whom a redeemer is to trust
  std::string error;      // why nowhere

  std::string url_of(const Grant& grant) const {
    return host_port.empty() ? std::string() : "https://" + host_port + "/" + grant.uid;
  }
};

struct TokenState {
  std::int64_t redeemed_unix_s = 0;  // 0: not yet
  std::string error;                 // of the last attempt
  bool final = false;                // and it will not be tried again
};

struct TokenStates {
  GrantAddress address;
  const std::map<std::string, Grant>& grants;  // by name, as the book has them
  std::map<std::string, TokenState> tokens;    // by name
};

}  // namespace fairlead
