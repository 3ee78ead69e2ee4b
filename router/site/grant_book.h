// GrantBook: the access grants of a site, and who has redeemed them. What must survive (ids, codes that were made, when
// a grant was first seen, each redemption) is in runtime/grants/<name>.json, 0600, and is on the disk before anybody is
// told; a grant whose record cannot be written is not there.
//
// Time is handed in. Main thread.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/site/attempt_limits.h"
#include "router/site/resources.h"
#include "transport/base/error.h"
#include "transport/base/time.h"

namespace fairlead {

struct Redemption {
  std::int64_t time_unix_s = 0;
  std::string subject;
  std::string from;  // address
  std::string key;   // the public key that was certified, base64; empty: it was made here
};

struct Grant {
  std::string name;
  std::string uid;  // in the URL
  std::string code;
  std::string issuer;
  std::uint32_t redemptions_allowed = 1;
  std::int64_t created_unix_s = 0;
  std::int64_t expires_unix_s = 0;
  std::vector<Redemption> redemptions;
  std::string error;  // why it cannot be redeemed: its record cannot be kept. Empty: it can

  bool expired(std::int64_t now_unix_s) const noexcept { return now_unix_s >= expires_unix_s; }

  bool used_up() const noexcept { return redemptions.size() >= redemptions_allowed; }

  // Whether somebody may ask for it: for a day more than it can be redeemed, so that who comes too late is told, and
  // who lost the answer can have it again.
  bool answers(std::int64_t now_unix_s) const noexcept {
    constexpr std::int64_t kDayS = 24LL * 3600;
    return error.empty() && now_unix_s < expires_unix_s + kDayS;
  }
};

class GrantBook {
 public:
  enum class Refusal : std::uint8_t { kUnknown, kTooManyAttempts, kCode, kExpired, kUsedUp };

  explicit GrantBook(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // Those that there are from now on. What is new gets an id and, if need be, a code; what is gone loses its record.
  void set_grants(const std::vector<AccessGrant>& grants, std::int64_t now_unix_s);

  // By name.
  const std::map<std::string, Grant>& grants() const noexcept { return grants_; }

  bool any_answers(std::int64_t now_unix_s) const;
  bool any_failed() const;

  // The grant of that id, if the code is right.
  std::expected<const Grant*, Refusal> find(std::string_view uid, std::string_view code, Instant now);

  // Why it may not be redeemed any more, if so. Whose key (base64, may be empty) has been certified by it before may
  // have that again: the answer may have been lost.
  std::optional<Refusal> why_not_open(const Grant& grant, std::string_view key, std::int64_t now_unix_s) const;

  // Notes a redemption, unless its key is noted already. An error: nothing is spent.
  Result<void> spend(const Grant& grant, Redemption redemption);

 private:
  void set_grant(const AccessGrant& resource, std::int64_t now_unix_s);
  std::filesystem::path file_of(const std::string& name) const;
  Result<std::optional<Grant>> read(const std::string& name) const;
  Result<void> write(const Grant& grant) const;
  void remove_records_of_others() const;

  const std::filesystem::path directory_;
  std::map<std::string, Grant> grants_;
  // Only who knows an id, which nobody can guess, gets as far as a code.
  AttemptLimits attempts_{30, Duration::seconds(60), 4096};
};

}  // namespace fairlead
