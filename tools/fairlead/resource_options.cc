#include "tools/fairlead/resource_options.h"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "router/site/field_reader.h"
#include "router/site/names.h"
#include "router/site/resources.h"
#include "tools/fairlead/choice_option.h"

namespace fairlead {

namespace {

constexpr unsigned kTimeoutMaxS = 24 * 3600;
const std::map<std::string, Wait> kWaits = {
    {"none", Wait::kNone}, {"configured", Wait::kConfigured}, {"ready", Wait::kReady}};
const std::map<std::string, OutputFormat> kGenerateFormats = {{"json", OutputFormat::kJson},
                                                              {"yaml", OutputFormat::kYaml}};

// An option that sets a field of the spec.
struct FieldOption {
  const char* flags;
  const char* field;
  const char* type;
  const char* description;
  bool is_flag = false;  // true without a value
};

struct KindOptions {
  std::string_view kind;
  const char* word;
  std::vector<ResourceVerb> verbs;
  bool has_port;             // as an argument of create and generate, and an option of update
  std::string default_host;  // of create; empty: none
  std::vector<FieldOption> fields;
};

// Of listeners and connectors alike.
constexpr FieldOption kConnectionOptions[] = {
    {"--idle-timeout", "idleTimeout", "DURATION", "End connections that carry nothing for so long (0s: never)"},
    {"--half-closed-timeout", "halfClosedTimeout", "DURATION", "The same once one direction has ended (0s: never)"},
    {"--keepalive", "keepalive", "DURATION", "Ask a silent peer whether it is there (5m; 0s: never)"},
    {"--user-timeout", "userTimeout", "DURATION", "How long a peer may leave bytes unacknowledged (0s: the kernel's)"},
    {"--max-connections", "maxConnections", "N", "Connections at a time; more are refused (0: no limit)"},
};

std::vector<FieldOption> with_connection_options(std::vector<FieldOption> options) {
  options.insert(options.end(), std::begin(kConnectionOptions), std::end(kConnectionOptions));
  return options;
}

constexpr ResourceVerb kAllVerbs[] = {ResourceVerb::kCreate, ResourceVerb::kUpdate, ResourceVerb::kDelete,
                                      ResourceVerb::kGenerate};

const std::vector<KindOptions>& all_kinds() {
  static const std::vector<ResourceVerb> all(std::begin(kAllVerbs), std::end(kAllVerbs));
  static const std::vector<KindOptions> kinds = {
      {Site::kKind, "site", all, false, {}, {}},
      {Listener::kKind,
       "listener",
       all,
       true,
       "0.0.0.0",
       with_connection_options(
           {{"-r,--routing-key", "routingKey", "KEY", "Routing key of the servers that it leads to (NAME)"},
        {"--host", "host", "HOST", "Address that it listens on (0.0.0.0: every one of IPv4)"},
        {"--tls-credentials", "tlsCredentials", "NAME", "Credentials for TLS from the clients"},
        {"--require-client-cert", "requireClientCert", "true|false", "Whether clients have to present a certificate",
         true},
        {"--accept-proxy-protocol", "acceptProxyProtocol", "true|false",
         "Whether clients begin with a header of the PROXY protocol", true},
        {"--type", "type", "tcp", "Protocol"},
        {"--observer", "observer", "auto|none|http1|http2", "As Skupper has it; nothing is observed here"},
        {"--strategy", "strategy", "balanced|lowest-cost", "How a site is chosen among those that serve the key"}})},
      {Connector::kKind,
       "connector",
       all,
       true,
       "localhost",
       with_connection_options(
           {{"-r,--routing-key", "routingKey", "KEY", "Routing key that the server answers to (NAME)"},
        {"--host", "host", "HOST", "Host of the server (localhost)"},
        {"--tls-credentials", "tlsCredentials", "NAME", "Credentials for TLS to the server"},
        {"--use-client-cert", "useClientCert", "true|false", "Whether the certificate of the credentials is presented",
         true},
        {"--verify-hostname", "verifyHostname", "true|false", "Whether the server's certificate must name the host",
         true},
        {"--send-proxy-protocol", "sendProxyProtocol", "v1|v2|none", "Tell the server who the client is"},
        {"--type", "type", "tcp", "Protocol"},
        {"--health-probe", "healthProbe", "tcp|none", "Whether it is looked at that the server takes connections"}})},
      {Link::kKind,
       "link",
       {ResourceVerb::kUpdate, ResourceVerb::kDelete},
       false,
       {},
       {{"--cost", "cost", "N", "Routing cost"},
        {"--tls-credentials", "tlsCredentials", "NAME", "Credentials: a Secret, or a directory below input/certs"}}},
      {AccessGrant::kKind, "token", {ResourceVerb::kDelete}, false, {}, {}},
  };
  return kinds;
}

const KindOptions& options_of(std::string_view kind) {
  return *std::ranges::find(all_kinds(), kind, &KindOptions::kind);
}

const char* word_of(ResourceVerb verb) {
  switch (verb) {
    case ResourceVerb::kCreate:
      return "create";
    case ResourceVerb::kUpdate:
      return "update";
    case ResourceVerb::kDelete:
      return "delete";
    case ResourceVerb::kGenerate:
      break;
  }
  return "generate";
}

std::string describe(ResourceVerb verb, const std::string& word) {
  switch (verb) {
    case ResourceVerb::kCreate:
      return fmt::format("Add a {} to the input, and wait for the gateway if it runs", word);
    case ResourceVerb::kUpdate:
      return fmt::format("Change a {} in the input, and wait for the gateway if it runs", word);
    case ResourceVerb::kDelete:
      return word == "token" ? std::string("Take back a grant that was issued, or a token among the resources")
                             : fmt::format("Take a {} out of the input", word);
    case ResourceVerb::kGenerate:
      break;
  }
  return fmt::format("Print a {} instead of adding it", word);
}

std::string check_resource_name(const std::string& name) {
  return check_bundle_name(name).value_or("");
}

std::string check_place(const std::string& text) {
  if (parse_number(text, 1, 65535)) return {};
  if (is_unix_host(text)) return check_listener_host(text).value_or("");
  return fmt::format("found '{}'; allowed is a port from 1 to 65535, or unix:/path", text);
}

void set(ResourceChangeArguments& arguments, const std::string& field, const std::string& text) {
  const auto known = std::ranges::find(arguments.fields, field, &std::pair<std::string, std::string>::first);
  if (known == arguments.fields.end()) {
    arguments.fields.emplace_back(field, text);
  } else {
    known->second = text;
  }
}

void add_name(CLI::App& command, ResourceChangeArguments& arguments, bool required) {
  CLI::Option* const name = command.add_option("NAME", arguments.name, "Its name");
  name->check(CLI::Validator(check_resource_name, ""));
  if (required) name->required();
}

void add_site_fields(CLI::App& command, ResourceChangeArguments& arguments) {
  command.add_flag_function(
      "--enable-link-access{true},!--disable-link-access",
      [&arguments](std::int64_t count) { set(arguments, "linkAccess", count > 0 ? "default" : "none"); },
      "Accept links of other sites, on ports 55671 and 45671; or not");
  command.add_flag_function(
      "--edge", [&arguments](std::int64_t) { set(arguments, "edge", "true"); },
      "An edge site: it dials interior sites, and carries nothing for others");
}

void add_waiting(CLI::App& command, ResourceChangeArguments& arguments) {
  add_choice(command, "--wait", arguments.wait, kWaits, "What to wait for if the gateway runs (configured)");
  command.add_option("--timeout", arguments.timeout_s, "How long to wait for that")
      ->capture_default_str()
      ->check(CLI::Range(1U, kTimeoutMaxS))
      ->type_name("SECONDS");
}

}  // namespace

CLI::App& ResourceOptions::add_verb(CLI::App& parent, std::string_view kind, ResourceVerb verb) {
  const KindOptions& options = options_of(kind);
  CLI::App& command = *parent.add_subcommand(word_of(verb), describe(verb, options.word));
  Entry& entry = entries_.emplace_back(Entry{&command, std::make_unique<ResourceChangeArguments>()});
  ResourceChangeArguments& arguments = *entry.arguments;
  arguments.verb = verb;
  arguments.kind = kind;
  const bool is_new = verb == ResourceVerb::kCreate || verb == ResourceVerb::kGenerate;
  const bool is_site = kind == Site::kKind;
  add_name(command, arguments, !is_site || is_new);
  if (verb == ResourceVerb::kDelete) {
    if (is_site) command.add_flag("--all", arguments.all, "Everything else in the input, too");
    return command;
  }
  const auto setter = [&arguments](const char* field) {
    return [&arguments, field](const std::string& text) { set(arguments, field, text.empty() ? "true" : text); };
  };
  if (options.has_port) {
    const auto set_place = [&arguments](const std::string& text) {
      set(arguments, "port", is_unix_host(text) ? std::string() : text);
      if (is_unix_host(text)) set(arguments, "host", text);
    };
    auto* const port = command.add_option_function<std::string>(is_new ? "PORT" : "--port", set_place,
                                                                "Its port, or unix:/path of its Unix socket");
    port->check(CLI::Validator(check_place, ""))->type_name("PORT");
    if (is_new) port->required();
  }
  for (const FieldOption& option : options.fields) {
    auto* const added = command.add_option_function<std::string>(option.flags, setter(option.field), option.description)
                            ->type_name(option.type);
    if (option.is_flag) added->expected(0, 1);
  }
  if (is_site) add_site_fields(command, arguments);
  if (verb == ResourceVerb::kGenerate) {
    add_choice(command, "-o,--output", arguments.format, kGenerateFormats, "How to print it (yaml)");
  } else {
    add_waiting(command, arguments);
  }
  return command;
}

void ResourceOptions::add(CLI::App& command, std::string_view kind) {
  for (const ResourceVerb verb : options_of(kind).verbs)
    add_verb(command, kind, verb);
}

std::optional<ResourceChangeArguments> ResourceOptions::selected() const {
  for (const Entry& entry : entries_) {
    if (!entry.command->parsed()) continue;
    ResourceChangeArguments arguments = *entry.arguments;
    const KindOptions& options = options_of(arguments.kind);
    const bool is_new = arguments.verb == ResourceVerb::kCreate || arguments.verb == ResourceVerb::kGenerate;
    const auto has = [&](const char* field) {
      return std::ranges::find(arguments.fields, field, &std::pair<std::string, std::string>::first) !=
             arguments.fields.end();
    };
    if (is_new && options.has_port && !has("routingKey")) set(arguments, "routingKey", arguments.name);
    if (is_new && !options.default_host.empty() && !has("host")) set(arguments, "host", options.default_host);
    // In the order in which people write them.
    auto end = arguments.fields.begin();
    for (const std::string_view field : {"routingKey", "host", "port"}) {
      const auto found = std::ranges::find(arguments.fields, field, &std::pair<std::string, std::string>::first);
      if (found != arguments.fields.end()) std::rotate(end++, found, std::next(found));
    }
    return arguments;
  }
  return std::nullopt;
}

}  // namespace fairlead
