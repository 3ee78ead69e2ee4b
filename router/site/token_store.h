// TokenStore: what has become of access tokens, in runtime/tokens/<name>.json, 0600: the key that the certificate is
// for, made before anybody is asked, and once the token is redeemed the link that it gave. A token is known by its name
// and its URL: another one of the same name begins anew.
//
// Main thread, or a command.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "router/site/resources.h"
#include "transport/base/error.h"

namespace fairlead {

struct TokenRecord {
  std::string url;
  std::string key;                   // PEM
  std::int64_t redeemed_unix_s = 0;  // 0: not yet
  std::string resources;             // YAML, once redeemed: Secret and Links
};

class TokenStore {
 public:
  explicit TokenStore(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // Nothing if there is none for this token.
  Result<std::optional<TokenRecord>> read(const AccessToken& token) const;
  // On the disk when it returns.
  Result<void> write(const std::string& name, const TokenRecord& record) const;

  // The record of a token, with a key: made and written if there is none.
  Result<TokenRecord> prepare(const AccessToken& token) const;

  std::filesystem::path file_of(const std::string& name) const;

 private:
  const std::filesystem::path directory_;
};

// Adds the links of those tokens among `resources` that are redeemed, at the cost that the token says now.
void add_redeemed_links(const TokenStore& store, Resources& resources, Diagnostics& diagnostics);

}  // namespace fairlead
