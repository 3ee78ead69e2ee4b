#include "router/site/resources.h"

#include <algorithm>

#include <fmt/format.h>

namespace fairlead {

const Position& Source::of(const std::string& field) const {
  const auto found = fields.find(field);
  return found == fields.end() ? position : found->second;
}

const Secret* Resources::find_secret(std::string_view name) const {
  const auto found = std::ranges::find_if(secrets, [&](const Secret& secret) { return secret.metadata.name == name; });
  return found == secrets.end() ? nullptr : &*found;
}

bool resource::has_endpoint(const Link& link, std::string_view role) {
  return std::ranges::any_of(link.endpoints, [&](const LinkEndpoint& endpoint) { return endpoint.role == role; });
}

void add_implied_router_access(Resources& resources) {
  const Site* site = resources.site();
  if (site == nullptr || !site->accepts_links()) return;
  const auto is_named_like_site = [&](const RouterAccess& access) {
    return access.metadata.name == site->metadata.name;
  };
  if (std::ranges::any_of(resources.router_accesses, is_named_like_site)) return;

  RouterAccess access;
  access.metadata = site->metadata;
  access.source.position = site->source.of("spec.linkAccess");
  access.roles = {{std::string(kInterRouterRole), kInterRouterPort, "spec.roles[0]"},
                  {std::string(kEdgeRole), kEdgePort, "spec.roles[1]"}};
  access.implied = true;
  resources.router_accesses.push_back(std::move(access));
}

std::string label(std::string_view kind, std::string_view name) {
  return fmt::format("{} {}", kind, name);
}

}  // namespace fairlead
