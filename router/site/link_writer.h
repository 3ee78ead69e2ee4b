// A Link and the Secret that goes with it as documents, for another site or for this one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "router/site/resources.h"
#include "transport/tls/credentials.h"

namespace fairlead {

// A list, with ports as text, as v2alpha1 has it in a Link.
nlohmann::ordered_json endpoints_document(const std::vector<LinkEndpoint>& endpoints);

// Holds the private key, if the bundle has one.
nlohmann::ordered_json secret_document(const std::string& name, const PemBundle& bundle);

// Without a cost, whoever puts the link to use chooses one.
nlohmann::ordered_json link_document(const std::string& name, const std::string& credentials,
                                     const std::vector<LinkEndpoint>& endpoints, std::optional<std::uint32_t> cost);

}  // namespace fairlead
