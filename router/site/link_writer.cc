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
  const auto add = [&](const char* file, const std::string& text) {
    if (!text.empty()) document["data"][file] = encode_base64(text);
  };
  add("ca.crt", bundle.ca);
  add("tls.crt", bundle.cert);
  add("tls.key", bundle.key);
  add("ca.crl", bundle.crl);
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
