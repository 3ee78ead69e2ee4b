#include "router/site/link_writer.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "router/site/base64.h"

namespace fairlead {

using Json = nlohmann::ordered_json;

Json endpoints_document(const std::vector<LinkEndpoint>& endpoints) {
  Json list = Json::array();
  for (const LinkEndpoint& endpoint : endpoints) {
    Json entry;
    entry["name"] = endpoint.role;
    entry["host"] = endpoint.host;
    entry["port"] = std::to_string(endpoint.port);
    if (!endpoint.group.empty()) entry["group"] = endpoint.group;
    list.push_back(std::move(entry));
  }
  return list;
}

Json secret_document(const std::string& name, const PemBundle& bundle) {
  Json document;
  document["apiVersion"] = "v1";
  document["kind"] = Secret::kKind;
  document["type"] = "kubernetes.io/tls";
  document["metadata"]["name"] = name;
  document["data"]["ca.crt"] = encode_base64(bundle.ca);
  document["data"]["tls.crt"] = encode_base64(bundle.cert);
  if (!bundle.key.empty()) document["data"]["tls.key"] = encode_base64(bundle.key);
  return document;
}

Json link_document(const std::string& name, const std::string& credentials, const std::vector<LinkEndpoint>& endpoints,
                   std::optional<std::uint32_t> cost) {
  Json document;
  document["apiVersion"] = "skupper.io/v2alpha1";
  document["kind"] = Link::kKind;
  document["metadata"]["name"] = name;
  if (cost) document["spec"]["cost"] = *cost;
  document["spec"]["tlsCredentials"] = credentials;
  document["spec"]["endpoints"] = endpoints_document(endpoints);
  return document;
}

}  // namespace fairlead
