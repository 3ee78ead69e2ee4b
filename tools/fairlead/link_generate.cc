#include <fmt/format.h>

#include "router/site/files.h"
#include "router/site/link_generator.h"
#include "router/site/site_loader.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/log_sink.h"
#include "tools/fairlead/report.h"

namespace fairlead {

int print_generated_link(const CommonArguments& common, const LinkGenerateArguments& arguments) {
  const LogSession log(common.log_level, common.log_format);
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const auto site = load_namespace(*paths);
  if (site->diagnostics.has_errors()) {
    print_diagnostics(site->diagnostics);
    return kExitInvalid;
  }
  const CredentialSource source(site->resources, paths->input_certs(), paths->input_issuers());
  CredentialsStore store(*paths, source);
  LinkRequest request{.name = arguments.name, .host = arguments.host, .cost = arguments.cost};
  // A running gateway goes on with the certificate that it has; what is printed must fit to that one.
  if (is_gateway_running(paths->lock())) request.renewal = CredentialsStore::Renewal::kKeep;
  const auto link = generate_link(site->resources, store, request);
  if (!link) {
    print_error(link.error());
    return link.error().code == ErrorCode::kInvalid ? kExitInvalid : kExitFailed;
  }
  fmt::print("{}", *link);
  return kExitOk;
}

}  // namespace fairlead
