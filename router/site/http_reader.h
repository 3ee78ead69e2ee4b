// HTTP/1.1 requests out of received bytes, and answers as bytes; the parsing is Boost.Beast's. For the few requests
// that a gateway serves itself: metrics, and redemptions of tokens. No descriptor, no clock.
//
// A reader belongs to one connection and one thread.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead {

struct HttpRequest {
  std::string method;
  std::string target;  // as it came: a path, with its query
  unsigned version = 11;
  bool keep_alive = false;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // The first of that name, in any case; empty if there is none.
  std::string_view header(std::string_view name) const;
  std::string_view path() const;
};

inline constexpr char kLinesOfJson[] = "application/x-ndjson";
inline constexpr char kPlainText[] = "text/plain; charset=utf-8";

struct HttpResponse {
  unsigned status = 200;
  std::string body;
  std::string content_type = kPlainText;
  std::vector<std::pair<std::string, std::string>> headers{};  // further ones
};

// `request` decides about the version, whether the connection stays, and whether the body is left out (HEAD).
std::string to_bytes(const HttpResponse& response, const HttpRequest& request);

// What stands before an answer whose length is not known: it ends with the connection.
std::string stream_head(const char* content_type);

class HttpReader {
 public:
  static constexpr std::uint32_t kHeaderBytesMax = 8192;

  explicit HttpReader(std::uint64_t body_bytes_max);
  ~HttpReader();
  HttpReader(const HttpReader&) = delete;
  HttpReader& operator=(const HttpReader&) = delete;

  void put(std::string_view bytes) { in_.append(bytes); }

  // The next whole request, nothing as long as there is none, or what to answer before closing: this is no request, or
  // too much of one.
  std::expected<std::optional<HttpRequest>, HttpResponse> next();

  // Nothing of a next request has come.
  bool idle() const noexcept;

 private:
  struct Parser;
  void begin();

  const std::uint64_t body_bytes_max_;
  std::unique_ptr<Parser> parser_;
  std::string in_;
};

// One answer to a request of ours, whole or cut.
class HttpAnswerReader {
 public:
  explicit HttpAnswerReader(std::uint64_t body_bytes_max);
  ~HttpAnswerReader();
  HttpAnswerReader(const HttpAnswerReader&) = delete;
  HttpAnswerReader& operator=(const HttpAnswerReader&) = delete;

  // Nothing as long as it is not whole; an error is a sentence.
  std::expected<std::optional<HttpResponse>, std::string> put(std::string_view bytes);
  // What has come of its body.
  std::string_view body_so_far() const;
  // The server has closed in order, which is the end of an answer without a length.
  std::expected<HttpResponse, std::string> end();

 private:
  struct Parser;
  std::optional<HttpResponse> take();

  const std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;  // so far
  std::unique_ptr<Parser> parser_;
  std::string in_;
};

}  // namespace fairlead
