#include "router/site/token_store.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/resource_reader.h"
#include "transport/tls/certificates.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kRecordBytesMax = 1024 * 1024;

}  // namespace

std::filesystem::path TokenStore::file_of(const std::string& name) const {
  return directory_ / (name + ".json");
}

Result<std::optional<TokenRecord>> TokenStore::read(const AccessToken& token) const {
  const std::filesystem::path file = file_of(token.metadata.name);
  const auto text = read_file(file, kRecordBytesMax);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return std::nullopt;
    return std::unexpected(text.error());
  }
  try {
    const Json json = Json::parse(*text);
    TokenRecord record;
    record.url = json.at("url").get<std::string>();
    record.key = json.at("key").get<std::string>();
    record.redeemed_unix_s = json.at("redeemed").get<std::int64_t>();
    record.resources = json.at("resources").get<std::string>();
    if (record.url != token.url) return std::nullopt;
    return record;
  } catch (const Json::exception& error) {
    return fail(ErrorCode::kInvalid, fmt::format("{} is no record of a token any more ({}); remove it to redeem the "
                                                 "token again",
                                                 file.string(), error.what()));
  }
}

Result<void> TokenStore::write(const std::string& name, const TokenRecord& record) const {
  if (auto made = make_directory(directory_, kPrivateDirectoryMode); !made) return made;
  Json json;
  json["url"] = record.url;
  json["key"] = record.key;
  json["redeemed"] = record.redeemed_unix_s;
  json["resources"] = record.resources;
  return write_file(file_of(name), json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n", kPrivateFileMode,
                    Durability::kSync);
}

Result<TokenRecord> TokenStore::prepare(const AccessToken& token) const {
  auto kept = read(token);
  if (!kept) return std::unexpected(kept.error());
  if (*kept) return std::move(**kept);
  auto key = make_key();
  if (!key) return std::unexpected(key.error());
  TokenRecord record{token.url, std::move(*key), 0, {}};
  if (auto written = write(token.metadata.name, record); !written) return std::unexpected(written.error());
  return record;
}

void add_redeemed_links(const TokenStore& store, Resources& resources, Diagnostics& diagnostics) {
  for (const AccessToken& token : resources.access_tokens) {
    const auto record = store.read(token);
    if (!record) {
      diagnostics.warning(token.source.position, fmt::format("{}: {}", label(token), record.error().message));
    }
    if (!record || !*record || (*record)->redeemed_unix_s == 0) continue;
    const std::size_t first = resources.links.size();
    read_resources((*record)->resources, store.file_of(token.metadata.name).string(), resources, diagnostics);
    const Site* site = resources.site();
    for (std::size_t i = first; i < resources.links.size();) {
      Link& link = resources.links[i];
      if (site != nullptr && !has_endpoint(link, site->role())) {
        // The site was of the other role when the token was redeemed: no reason to refuse all of the input.
        diagnostics.warning(
            token.source.position,
            fmt::format("{}: its link has no endpoint for the role {} and is left out; ask for a new token",
                        label(token), site->role()));
        resources.links.erase(resources.links.begin() + static_cast<std::ptrdiff_t>(i));
        continue;
      }
      link.cost = token.link_cost;
      link.of_token = token.metadata.name;
      ++i;
    }
  }
}

}  // namespace fairlead
