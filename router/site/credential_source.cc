#include "router/site/credential_source.h"

#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "router/site/files.h"
#include "router/site/names.h"

namespace fairlead {

namespace {

constexpr std::size_t kPemBytesMax = 1024 * 1024;

// Empty if there is no such file.
Result<std::string> read_optional(const std::filesystem::path& path) {
  auto text = read_file(path, kPemBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
  return text;
}

std::string value_of(const Secret& secret, const char* key) {
  const auto found = secret.data.find(key);
  return found == secret.data.end() ? std::string() : found->second;
}

Result<std::optional<NamedBundle>> find_in(const std::filesystem::path& directory, const std::string& name) {
  // The name comes from a document and becomes a path.
  if (check_bundle_name(name)) return std::nullopt;
  const std::filesystem::path path = directory / name;
  auto bundle = read_bundle(path);
  if (!bundle) return std::unexpected(bundle.error());
  if (!*bundle) return std::nullopt;
  return NamedBundle{std::move(**bundle), path.string()};
}

}  // namespace

Result<std::optional<PemBundle>> read_bundle(const std::filesystem::path& directory) {
  PemBundle bundle;
  for (const auto& [file, text] :
       {std::pair{"ca.crt", &bundle.ca}, {"tls.crt", &bundle.cert}, {"tls.key", &bundle.key},
        {"ca.crl", &bundle.crl}}) {
    auto contents = read_optional(directory / file);
    if (!contents) return std::unexpected(contents.error());
    *text = std::move(*contents);
  }
  if (bundle.ca.empty() && bundle.cert.empty() && bundle.key.empty()) return std::nullopt;
  return bundle;
}

CredentialSource::CredentialSource(const Resources& resources, std::filesystem::path certs,
                                   std::filesystem::path issuers)
    : resources_(resources), certs_(std::move(certs)), issuers_(std::move(issuers)) {}

Result<std::optional<NamedBundle>> CredentialSource::find(const std::string& name) const {
  auto given = find_in(certs_, name);
  if (!given || *given) return given;
  const Secret* secret = resources_.find_secret(name);
  if (secret == nullptr) return std::nullopt;
  PemBundle bundle{value_of(*secret, "ca.crt"), value_of(*secret, "tls.crt"), value_of(*secret, "tls.key"),
                   value_of(*secret, "ca.crl")};
  return NamedBundle{std::move(bundle), label(*secret)};
}

Result<std::optional<NamedBundle>> CredentialSource::find_issuer(const std::string& name) const {
  return find_in(issuers_, name);
}

}  // namespace fairlead
