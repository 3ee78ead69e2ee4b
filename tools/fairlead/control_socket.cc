#include "tools/fairlead/control_socket.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/fairlead/log_sink.h"
#include "transport/base/log.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kClientsMax = 16;
constexpr std::size_t kRequestBytesMax = 64 * 1024;
constexpr std::size_t kPieceBytes = 4096;

// The path of a socket may have 107 characters. That of its directory's descriptor is shorter than any.
struct ShortPath {
  Fd directory;
  sockaddr_un address{};
};

Result<ShortPath> shorten(const std::filesystem::path& path) {
  ShortPath result;
  result.directory = Fd(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!result.directory) return std::unexpected(error_from_errno(errno, path.parent_path().string()));
  const std::string name = fmt::format("/proc/self/fd/{}/{}", result.directory.get(), path.filename().string());
  result.address.sun_family = AF_UNIX;
  name.copy(result.address.sun_path, sizeof result.address.sun_path - 1);
  return result;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Json error_line(std::string message) {
  Json line;
  line["error"] = std::move(message);
  return line;
}

Json to_json(const TraceHop& hop) {
  const TraceAnswer& answer = hop.answer;
  Json json;
  json["hop"] = answer.hop;
  json["siteId"] = answer.site_id;
  json["siteName"] = answer.site_name;
  json["time"] = {{"microseconds", hop.round_trip.microseconds()}};
  if (answer.state == TraceAnswer::State::kArrived) {
    json["server"] = {{"address", answer.server}, {"connectMicroseconds", answer.connect.microseconds()}};
  }
  if (!answer.error.empty()) json["error"] = answer.error;
  return json;
}

Json to_json(const NetworkSurvey::Site& site) {
  Json json = {{"siteId", site.id}, {"links", Json::array()}, {"loads", Json::array()}};
  for (const NetworkSurvey::Link& link : site.links)
    json["links"].push_back({{"siteId", link.site_id}, {"rttMicroseconds", link.round_trip.microseconds()}});
  for (const NetworkSurvey::Load& load : site.loads)
    json["loads"].push_back({{"routingKey", load.routing_key}, {"siteId", load.site_id}, {"open", load.open}});
  return json;
}

Json to_json(const Reload& reload) {
  return {{"changes", reload.changes},
          {"warnings", reload.warnings},
          {"errors", reload.errors},
          {"refusedBundles", reload.refused_bundles},
          {"earlierChanges", reload.earlier_changes},
          {"earlierAgeSeconds", reload.earlier_age_s}};
}

}  // namespace

struct ControlSocket::Client {
  Fd fd;
  std::string in{};
  std::string out{};
  std::optional<std::uint64_t> trace{};
  std::optional<std::uint64_t> survey{};
  std::size_t hops_told = 0;
  bool asked = false;
  bool over = false;

  void say(const Json& line) {
    out += line.dump(-1, ' ', false, Json::error_handler_t::replace);
    out += '\n';
  }

  void serve(Gateway& gateway, const ControlActions& actions) {
    if (!asked) read(gateway, actions);
    if (trace) tell_trace(gateway);
    if (survey) tell_survey(gateway);
    write();
    if (asked && !waiting() && out.empty()) over = true;
  }

  bool waiting() const { return trace || survey; }

  void read(Gateway& gateway, const ControlActions& actions) {
    char piece[kPieceBytes];
    const ssize_t size = ::recv(fd.get(), piece, sizeof piece, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
      over = true;
      return;
    }
    in.append(piece, static_cast<std::size_t>(size));
    const std::size_t end = in.find('\n');
    if (end == std::string::npos && in.size() <= kRequestBytesMax) return;
    asked = true;
    const Json request = Json::parse(in.substr(0, end), nullptr, false);
    begin(gateway, request, actions);
  }

  void begin(Gateway& gateway, const Json& request, const ControlActions& actions) {
    const auto text = [&](const char* name) {
      const auto at = request.is_object() ? request.find(name) : request.end();
      return at != request.end() && at->is_string() ? at->get<std::string>() : std::string();
    };
    if (request.is_discarded()) return say(error_line("the request is no JSON object on a line of its own"));
    if (text("command") == "survey") {
      survey = gateway.begin_survey();
      return;
    }
    if (text("command") == "reload") {
      say({{"reload", to_json(actions.reload())}});
      return say({{"done", true}});
    }
    if (text("command") == "logLevel") return change_log_level(text("level"));
    if (text("command") == "grant") {
      const Json grant = actions.describe_grant(text("name"));
      if (grant.contains("error")) return say(grant);
      say({{"grant", grant}});
      return say({{"done", true}});
    }
    if (text("command") != "trace") return say(error_line(fmt::format("unknown command '{}'", text("command"))));
    if (text("routingKey").empty()) return say(error_line("trace needs a routingKey"));
    trace = gateway.begin_trace(text("routingKey"));
  }

  void change_log_level(const std::string& word) {
    const auto level = log_level_named(word);
    if (!level) return say(error_line(fmt::format("'{}' is no log level", word)));
    set_log_level(*level);
    log_info("what is logged from now on: {} and above", word);
    say({{"done", true}});
  }

  void tell_trace(Gateway& gateway) {
    const auto report = gateway.trace_report(*trace);
    if (!report) {
      say(error_line("the trace was forgotten: too many at a time"));
      return trace.reset();
    }
    for (; hops_told < report->hops.size(); ++hops_told) {
      Json line;
      line["hop"] = to_json(report->hops[hops_told]);
      say(line);
    }
    if (!report->done) return;
    Json last;
    last["done"] = true;
    say(report->error.empty() ? last : error_line(report->error));
    trace.reset();
  }

  void tell_survey(Gateway& gateway) {
    const auto found = gateway.survey(*survey);
    if (found && !found->done) return;
    for (const NetworkSurvey::Site& site : found ? found->sites : std::vector<NetworkSurvey::Site>())
      say({{"site", to_json(site)}});
    say({{"done", true}});
    survey.reset();
  }

  void write() {
    if (out.empty()) return;
    const ssize_t size = ::send(fd.get(), out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0) out.erase(0, static_cast<std::size_t>(size));
    if (size < 0 && errno != EAGAIN && errno != EINTR) over = true;
  }
};

ControlSocket::ControlSocket(std::filesystem::path path, Fd listening)
    : path_(std::move(path)), listening_(std::move(listening)) {}

ControlSocket::~ControlSocket() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::filesystem::path& path) {
  auto place = shorten(path);
  if (!place) return std::unexpected(place.error());
  Fd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening) return std::unexpected(error_from_errno(errno, "socket"));
  std::error_code ignored;
  std::filesystem::remove(path, ignored);  // of a gateway that was killed; the lock says that it is gone
  // The mode is that of the moment it is bound.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(listening.get(), generic(place->address), sizeof place->address);
  const int error = errno;
  ::umask(before);
  if (bound != 0) return std::unexpected(error_from_errno(error, path.string()));
  if (::listen(listening.get(), kClientsMax) != 0) return std::unexpected(error_from_errno(errno, path.string()));
  return std::unique_ptr<ControlSocket>(new ControlSocket(path, std::move(listening)));
}

void ControlSocket::add_to(std::vector<pollfd>& fds) const {
  if (clients_.size() < kClientsMax) fds.push_back(listening_.wanted());
  for (const auto& client : clients_) {
    short events = client->out.empty() ? short{0} : short{POLLOUT};
    if (!client->asked) events = POLLIN;
    fds.push_back({client->fd.get(), events, 0});
  }
}

bool ControlSocket::waiting() const {
  return listening_.paused() || std::ranges::any_of(clients_, [](const auto& client) { return client->waiting(); });
}

void ControlSocket::accept() {
  while (clients_.size() < kClientsMax) {
    Fd fd = listening_.accept();
    if (!fd) return;
    clients_.push_back(std::make_unique<Client>(std::move(fd)));
  }
}

void ControlSocket::serve(Gateway& gateway, const ControlActions& actions) {
  accept();
  for (const auto& client : clients_)
    client->serve(gateway, actions);
  std::erase_if(clients_, [](const auto& client) { return client->over; });
}

// ---- the command's end

Result<void> ask_gateway(const std::filesystem::path& path, const Json& request, int timeout_ms,
                         const std::function<void(const Json&)>& on_answer) {
  auto place = shorten(path);
  if (!place) return std::unexpected(place.error());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(error_from_errno(errno, "socket"));
  if (::connect(fd.get(), generic(place->address), sizeof place->address) != 0) {
    return std::unexpected(error_from_errno(errno, "cannot reach the gateway at " + path.string()));
  }
  const std::string line = request.dump() + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return std::unexpected(error_from_errno(errno, "cannot ask the gateway"));
  }
  std::string in;
  while (true) {
    pollfd wait{fd.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return fail(ErrorCode::kTimeout, fmt::format("the gateway said nothing for {} ms", timeout_ms));
    char piece[kPieceBytes];
    const ssize_t size = ::recv(fd.get(), piece, sizeof piece, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected(error_from_errno(errno, "cannot hear the gateway"));
    if (size == 0) return {};
    in.append(piece, static_cast<std::size_t>(size));
    for (std::size_t end = in.find('\n'); end != std::string::npos; end = in.find('\n')) {
      const Json answer = Json::parse(in.substr(0, end), nullptr, false);
      in.erase(0, end + 1);
      if (answer.is_object()) on_answer(answer);
    }
  }
}

}  // namespace fairlead
