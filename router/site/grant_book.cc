#include "router/site/grant_book.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/names.h"
#include "router/site/random_code.h"
#include "router/site/uuid.h"
#include "transport/base/log.h"
#include "transport/tls/secret.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kRecordBytesMax = 16 * 1024 * 1024;

Json to_json(const Grant& grant) {
  Json json;
  json["uid"] = grant.uid;
  json["code"] = grant.code;
  json["created"] = grant.created_unix_s;
  Json& list = json["redemptions"] = Json::array();
  for (const Redemption& redemption : grant.redemptions) {
    list.push_back({{"time", redemption.time_unix_s},
                    {"subject", redemption.subject},
                    {"from", redemption.from},
                    {"key", redemption.key}});
  }
  return json;
}

Grant from_json(const Json& json) {
  Grant grant;
  grant.uid = json.at("uid").get<std::string>();
  grant.code = json.at("code").get<std::string>();
  grant.created_unix_s = json.at("created").get<std::int64_t>();
  for (const Json& redemption : json.at("redemptions")) {
    grant.redemptions.push_back({redemption.at("time").get<std::int64_t>(), redemption.at("subject").get<std::string>(),
                                 redemption.at("from").get<std::string>(), redemption.at("key").get<std::string>()});
  }
  return grant;
}

// With an id and a code of its own.
Result<Grant> make_grant(std::int64_t now_unix_s) {
  auto uid = make_uuid();
  if (!uid) return std::unexpected(uid.error());
  auto code = make_random_code();
  if (!code) return std::unexpected(code.error());
  Grant grant;
  grant.uid = std::move(*uid);
  grant.code = std::move(*code);
  grant.created_unix_s = now_unix_s;
  return grant;
}

bool has_redeemed(const Grant& grant, std::string_view key) {
  return !key.empty() && std::ranges::find(grant.redemptions, key, &Redemption::key) != grant.redemptions.end();
}

}  // namespace

std::filesystem::path GrantBook::file_of(const std::string& name) const {
  return directory_ / (name + ".json");
}

Result<std::optional<Grant>> GrantBook::read(const std::string& name) const {
  const auto text = read_file(file_of(name), kRecordBytesMax);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return std::nullopt;
    return std::unexpected(text.error());
  }
  const auto broken = [&](std::string_view why) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{} is no record of a grant any more ({}); remove it to begin anew with another code",
                            file_of(name).string(), why));
  };
  try {
    Grant grant = from_json(Json::parse(*text));
    if (!is_uuid(grant.uid) || check_code(grant.code)) return broken("its uid or code is none");
    return grant;
  } catch (const Json::exception& error) {
    return broken(error.what());
  }
}

Result<void> GrantBook::write(const Grant& grant) const {
  if (auto made = make_directory(directory_, kPrivateDirectoryMode); !made) return made;
  const std::string text = to_json(grant).dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_file(file_of(grant.name), text, kPrivateFileMode, Durability::kSync);
}

void GrantBook::set_grants(const std::vector<AccessGrant>& grants, std::int64_t now_unix_s) {
  std::erase_if(grants_, [&](const auto& known) {
    return std::ranges::none_of(grants, [&](const AccessGrant& grant) { return grant.metadata.name == known.first; });
  });
  for (const AccessGrant& grant : grants)
    set_grant(grant, now_unix_s);
  remove_records_of_others();
}

void GrantBook::set_grant(const AccessGrant& resource, std::int64_t now_unix_s) {
  const std::string& name = resource.metadata.name;
  auto known = grants_.find(name);
  if (known == grants_.end() || !known->second.error.empty()) {
    const auto problem = [&](const Error& error) {
      Grant broken;
      broken.error = error.message;
      return broken;
    };
    auto kept = read(name);
    Grant grant;
    if (!kept) {
      grant = problem(kept.error());
    } else if (*kept) {
      grant = std::move(**kept);
    } else if (auto made = make_grant(now_unix_s); !made) {
      grant = problem(made.error());
    } else {
      grant = std::move(*made);
      grant.name = name;
      if (auto written = write(grant); !written) grant = problem(written.error());
    }
    grant.name = name;
    const bool said = known != grants_.end() && known->second.error == grant.error;
    if (!grant.error.empty() && !said) log_error("{}: {}", label(resource), grant.error);
    known = grants_.insert_or_assign(name, std::move(grant)).first;
  }
  Grant& grant = known->second;
  if (!resource.code.empty()) grant.code = resource.code;
  grant.issuer = resource.issuer;
  grant.redemptions_allowed = resource.redemptions_allowed;
  grant.expires_unix_s = grant.created_unix_s + resource.expiration_window.milliseconds() / 1000;
}

void GrantBook::remove_records_of_others() const {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".json" || grants_.contains(entry->path().stem().string())) continue;
    std::error_code ignored;  // looked for again with the next change
    std::filesystem::remove(entry->path(), ignored);
  }
}

bool GrantBook::any_answers(std::int64_t now_unix_s) const {
  return std::ranges::any_of(grants_, [&](const auto& known) { return known.second.answers(now_unix_s); });
}

bool GrantBook::any_failed() const {
  return std::ranges::any_of(grants_, [](const auto& known) { return !known.second.error.empty(); });
}

std::expected<const Grant*, GrantBook::Refusal> GrantBook::find(std::string_view uid, std::string_view code,
                                                                Instant now) {
  const auto found = std::ranges::find_if(
      grants_, [&](const auto& known) { return known.second.error.empty() && known.second.uid == uid; });
  if (found == grants_.end()) return std::unexpected(Refusal::kUnknown);
  const Grant& grant = found->second;
  if (!attempts_.allowed(grant.uid, now)) return std::unexpected(Refusal::kTooManyAttempts);
  if (is_same_secret(grant.code, code)) return &grant;
  attempts_.note_failure(grant.uid, now);
  return std::unexpected(Refusal::kCode);
}

std::optional<GrantBook::Refusal> GrantBook::why_not_open(const Grant& grant, std::string_view key,
                                                          std::int64_t now_unix_s) const {
  if (has_redeemed(grant, key)) return std::nullopt;
  if (grant.expired(now_unix_s)) return Refusal::kExpired;
  if (grant.used_up()) return Refusal::kUsedUp;
  return std::nullopt;
}

Result<void> GrantBook::spend(const Grant& grant, Redemption redemption) {
  if (has_redeemed(grant, redemption.key)) return {};
  Grant& known = grants_.at(grant.name);
  known.redemptions.push_back(std::move(redemption));
  auto written = write(known);
  if (!written) known.redemptions.pop_back();
  return written;
}

}  // namespace fairlead
