#include "router/site/token_answer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/link_writer.h"
#include "router/site/resource_reader.h"
#include "router/site/yaml_writer.h"
#include "transport/tls/credentials.h"

namespace fairlead {

namespace {

constexpr std::size_t kLinksMax = 16;

std::string text_of(const Secret& secret, const std::string& key) {
  const auto found = secret.data.find(key);
  return found == secret.data.end() ? std::string() : found->second;
}

// The first thing that is wrong with it; empty: nothing.
std::string why_not_usable(const Resources& resources, const Diagnostics& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics.items()) {
    if (diagnostic.severity == Severity::kError) return without_severity(diagnostic);
  }
  if (resources.secrets.size() != 1) return fmt::format("it has {} Secrets; needed is one", resources.secrets.size());
  if (resources.links.empty() || resources.links.size() > kLinksMax) {
    return fmt::format("it has {} Links; needed is one to {}", resources.links.size(), kLinksMax);
  }
  return {};
}

}  // namespace

Result<std::string> make_link_resources(const TokenAnswer& answer) {
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kProtocol, fmt::format("the answer of {} cannot be used: {}", answer.from, why));
  };
  Resources resources;
  Diagnostics diagnostics;
  read_resources(answer.text, "answer", resources, diagnostics);
  if (const std::string why = why_not_usable(resources, diagnostics); !why.empty()) return bad(why);
  std::erase_if(resources.links,
                [&](const Link& link) { return !answer.role.empty() && !has_endpoint(link, answer.role); });
  if (resources.links.empty()) {
    return bad(fmt::format("it has no endpoint for the role {}, which this site has", answer.role));
  }
  const Secret& secret = resources.secrets.front();
  PemBundle bundle{text_of(secret, "ca.crt"), text_of(secret, "tls.crt"), text_of(secret, "tls.key")};
  if (bundle.key.empty()) bundle.key = answer.key;
  if (const auto loaded = Credentials::load(bundle); !loaded) return bad(loaded.error().message);
  std::string text = fmt::format("# Made by redeeming AccessToken {} at {}. Holds a private key.\n{}", answer.name,
                                 answer.from, to_yaml(secret_document(answer.name, bundle)));
  for (std::size_t i = 0; i < resources.links.size(); ++i) {
    const std::string name = resources.links.size() == 1 ? answer.name : fmt::format("{}-{}", answer.name, i + 1);
    text += "---\n" + to_yaml(link_document(name, answer.name, resources.links[i].endpoints, answer.link_cost));
  }
  return text;
}

}  // namespace fairlead
