// `fairlead token issue FILE`: makes an access grant, waits until the gateway serves it, and writes a token for it.

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/link_generator.h"
#include "router/site/site_loader.h"
#include "router/site/token_url.h"
#include "router/site/uuid.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/admin_client.h"
#include "tools/fairlead/input_change.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr int kAnswerMs = 10'000;
constexpr std::chrono::milliseconds kLookInterval{50};

std::string grant_text(const std::string& name, const TokenIssueArguments& arguments) {
  Json json;
  json["apiVersion"] = "skupper.io/v2alpha1";
  json["kind"] = AccessGrant::kKind;
  json["metadata"]["name"] = name;
  json["spec"]["redemptionsAllowed"] = arguments.redemptions_allowed;
  json["spec"]["expirationWindow"] = arguments.expiration_window;
  return to_yaml(json);
}

std::string token_text(const std::string& name, const Json& grant, const std::string& url, std::uint32_t cost) {
  Json json;
  json["apiVersion"] = "skupper.io/v2alpha1";
  json["kind"] = AccessToken::kKind;
  json["metadata"]["name"] = name;
  json["spec"]["url"] = url;
  json["spec"]["code"] = grant.at("code");
  json["spec"]["ca"] = grant.at("ca");
  json["spec"]["linkCost"] = cost;
  return to_yaml(json);
}

// The gateway's own word on the grant: it may still be opening the port.
Result<Json> wait_for_grant(const NamespacePaths& paths, const std::string& name, unsigned timeout_s) {
  const auto give_up = Clock::now() + std::chrono::seconds(timeout_s);
  while (true) {
    auto grant = ask_gateway(paths.admin_socket(), {"GET", "/v1/grants/" + name}, kAnswerMs);
    if (grant) return grant;
    // It may not have it yet; all else does not get better.
    if (grant.error().code != ErrorCode::kInvalid) return std::unexpected(grant.error());
    if (Clock::now() >= give_up) return fail(ErrorCode::kTimeout, grant.error().message);
    std::this_thread::sleep_for(kLookInterval);
  }
}

// The name must be one that the server's certificate has: whoever redeems trusts no other.
Result<std::string> url_with_host(const std::string& url, const std::string& host, const NamespacePaths& paths) {
  if (host.empty()) return url;
  const auto site = load_namespace(paths);
  const CredentialSource source(site->resources, paths.input_certs(), paths.input_issuers());
  CredentialsStore store(paths, source);
  if (const auto entry = find_entry(site->resources, store, host); !entry) return std::unexpected(entry.error());
  auto parsed = parse_token_url(url);
  if (!parsed) return std::unexpected(parsed.error());
  parsed->endpoint.host = host;
  return to_string(*parsed);
}

Result<std::string> make_token(const NamespacePaths& paths, const std::string& name,
                               const TokenIssueArguments& arguments, Json& grant) {
  auto found = wait_for_grant(paths, name, arguments.timeout_s);
  if (!found) return std::unexpected(found.error());
  grant = std::move(*found);
  auto url = url_with_host(text_at(grant, "/url"), arguments.host, paths);
  if (!url) return url;
  const std::string text = token_text(name, grant, *url, arguments.cost);
  if (arguments.file == "-") return text;
  if (auto written = write_file(arguments.file, text, kPrivateFileMode, Durability::kSync); !written) {
    return std::unexpected(written.error());
  }
  return text;
}

}  // namespace

int issue_token(const CommonArguments& common, const TokenIssueArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  if (!is_gateway_running(paths->lock())) {
    print_not_running(*paths);
    return kExitFailed;
  }
  const auto id = make_uuid();
  if (!id) {
    print_error(id.error());
    return kExitFailed;
  }
  const auto site = load_namespace(*paths);
  const std::string site_name = site->resources.site() == nullptr ? "site" : site->resources.site()->metadata.name;
  const std::string name = arguments.name.empty() ? fmt::format("{}-{}", site_name, id->substr(0, 8)) : arguments.name;
  const auto file = resource_file(*paths, AccessGrant::kKind, name);
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    fmt::print(stderr, "fairlead: there is an AccessGrant '{}' already, at {}; choose another name\n", name,
               file.string());
    return kExitInvalid;
  }
  if (const int code = change_input(*paths, {{file, grant_text(name, arguments)}}); code != kExitOk) return code;
  Json grant;
  const auto token = make_token(*paths, name, arguments, grant);
  if (!token) {
    print_error(token.error());
    static_cast<void>(change_input(*paths, {{file, std::nullopt}}));  // a grant that nobody has a token for
    return token.error().code == ErrorCode::kInvalid ? kExitInvalid : kExitFailed;
  }
  if (arguments.file == "-") {
    fmt::print("{}", *token);
    return kExitOk;
  }
  fmt::print(
      "The token is in {}: whoever has it can make {} to this site until {}.\n"
      "At the other site: fairlead token redeem {}\n",
      arguments.file,
      arguments.redemptions_allowed == 1 ? "one link" : fmt::format("{} links", arguments.redemptions_allowed),
      text_at(grant, "/expirationTime"), std::filesystem::path(arguments.file).filename().string());
  return kExitOk;
}

}  // namespace fairlead
