#include "tools/fairlead/admin_client.h"

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include "router/site/http_reader.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/socket_path.h"
#include "transport/base/fd.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPieceBytes = 16 * 1024;
constexpr std::uint64_t kAnswerBytesMax = 256ULL * 1024 * 1024;

std::string to_bytes(const AdminRequest& request) {
  const std::string body = request.body.is_null() ? std::string() : request.body.dump();
  return fmt::format("{} {} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                     request.method, request.path, body.size(), body);
}

Result<Fd> connect_to(const std::filesystem::path& path) {
  const auto place = SocketPath::open(path);
  if (!place) return std::unexpected(place.error());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(error_from_errno(errno, "socket"));
  if (::connect(fd.get(), place->address(), place->size()) != 0) {
    return std::unexpected(error_from_errno(errno, "cannot reach the gateway at " + path.string()));
  }
  return fd;
}

Result<void> send_all(const Fd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected(error_from_errno(errno, "cannot ask the gateway"));
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

// The next bytes; none at the end.
Result<std::string> receive(const Fd& fd, int timeout_ms) {
  while (true) {
    pollfd wait{fd.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return fail(ErrorCode::kTimeout, fmt::format("the gateway said nothing for {} ms", timeout_ms));
    std::string piece(kPieceBytes, '\0');
    const ssize_t size = ::recv(fd.get(), piece.data(), piece.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected(error_from_errno(errno, "cannot hear the gateway"));
    piece.resize(static_cast<std::size_t>(size));
    return piece;
  }
}

// The whole answer; what has come of it so far is shown after each piece.
Result<HttpResponse> ask(const std::filesystem::path& path, const AdminRequest& request, int timeout_ms,
                         const std::function<void(std::string_view)>& on_progress) {
  const auto fd = connect_to(path);
  if (!fd) return std::unexpected(fd.error());
  if (auto sent = send_all(*fd, to_bytes(request)); !sent) return std::unexpected(sent.error());
  HttpAnswerReader reader(kAnswerBytesMax);
  while (true) {
    const auto piece = receive(*fd, timeout_ms);
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) {
      auto answer = reader.end();
      if (!answer) return fail(ErrorCode::kClosing, "the gateway ended before its answer did");
      return std::move(*answer);
    }
    auto answer = reader.put(*piece);
    if (!answer) return fail(ErrorCode::kProtocol, "the gateway: " + answer.error());
    if (*answer) return std::move(**answer);
    on_progress(reader.body_so_far());
  }
}

Result<Json> parse(const HttpResponse& response) {
  Json json = Json::parse(response.body, nullptr, false);
  if (json.is_discarded()) {
    return fail(ErrorCode::kProtocol, fmt::format("the gateway answered {}: {}", response.status, response.body));
  }
  if (response.status >= 400) return fail(ErrorCode::kInvalid, text_at(json, "/error"));
  return json;
}

}  // namespace

Result<Json> ask_gateway(const std::filesystem::path& path, const AdminRequest& request, int timeout_ms) {
  const auto response = ask(path, request, timeout_ms, [](std::string_view) {});
  if (!response) return std::unexpected(response.error());
  return parse(*response);
}

Result<void> ask_gateway(const std::filesystem::path& path, const AdminRequest& request, int timeout_ms,
                         const std::function<void(const Json&)>& on_line) {
  std::size_t taken = 0;
  bool done = false;
  std::string error;
  const auto take_lines = [&](std::string_view body) {
    for (std::size_t end = body.find('\n', taken); end != std::string_view::npos; end = body.find('\n', taken)) {
      const Json line = Json::parse(body.substr(taken, end - taken), nullptr, false);
      taken = end + 1;
      if (!line.is_object()) continue;
      if (line.contains("done")) done = true;
      if (line.contains("error")) error = text_at(line, "/error");
      on_line(line);
    }
  };
  const auto response = ask(path, request, timeout_ms, take_lines);
  if (!response) return std::unexpected(response.error());
  if (response->status >= 400) {
    const auto refused = parse(*response);
    return std::unexpected(refused ? Error{ErrorCode::kProtocol, "the gateway refused to answer"} : refused.error());
  }
  take_lines(response->body);
  if (!error.empty()) return fail(ErrorCode::kSystem, error);
  if (!done) return fail(ErrorCode::kClosing, "the gateway ended before its answer did");
  return {};
}

}  // namespace fairlead
