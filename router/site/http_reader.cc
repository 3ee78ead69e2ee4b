#include "router/site/http_reader.h"

#include <algorithm>
#include <sstream>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>

namespace fairlead {

namespace {

namespace http = boost::beast::http;

unsigned status_of(const boost::beast::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  return 400;
}

template <class Parser>
void set_limits(Parser& parser, std::uint64_t body_bytes_max) {
  parser.header_limit(HttpReader::kHeaderBytesMax);
  parser.body_limit(body_bytes_max);
  parser.eager(true);
}

std::string text_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  const auto found = std::ranges::find_if(headers, [&](const auto& header) {
    return boost::beast::iequals(header.first, {name.data(), name.size()});
  });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view HttpRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string to_bytes(const HttpResponse& response, const HttpRequest& request) {
  http::response<http::string_body> message(static_cast<http::status>(response.status), request.version);
  message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers)
    message.set(name, value);
  message.keep_alive(request.keep_alive);
  message.body() = response.body;
  message.prepare_payload();
  std::ostringstream text;
  text << message.base();
  return request.method == "HEAD" ? text.str() : text.str() + response.body;
}

std::string stream_head(const char* content_type) {
  http::response<http::empty_body> message(http::status::ok, 11);
  message.set(http::field::content_type, content_type);
  message.keep_alive(false);
  std::ostringstream text;
  text << message.base();
  return text.str();
}

// ---- requests

struct HttpReader::Parser {
  http::request_parser<http::string_body> parser;
};

HttpReader::HttpReader(std::uint64_t body_bytes_max) : body_bytes_max_(body_bytes_max) {
  begin();
}

HttpReader::~HttpReader() = default;

void HttpReader::begin() {
  parser_ = std::make_unique<Parser>();
  set_limits(parser_->parser, body_bytes_max_);
}

bool HttpReader::idle() const noexcept {
  return in_.empty() && !parser_->parser.got_some();
}

std::expected<std::optional<HttpRequest>, HttpResponse> HttpReader::next() {
  if (in_.empty()) return std::nullopt;
  auto& parser = parser_->parser;
  boost::beast::error_code error;
  const std::size_t used = parser.put(boost::asio::buffer(in_), error);
  in_.erase(0, used);
  if (error == http::error::need_more) return std::nullopt;
  if (error) return std::unexpected(HttpResponse{status_of(error), error.message() + "\n"});
  if (!parser.is_done()) return std::nullopt;
  auto message = parser.release();
  HttpRequest request{
      text_of(message.method_string()), text_of(message.target()), message.version(), message.keep_alive(), {},
      std::move(message.body())};
  for (const auto& field : message)
    request.headers.emplace_back(text_of(field.name_string()), text_of(field.value()));
  begin();
  return request;
}

// ---- answers

struct HttpAnswerReader::Parser {
  http::response_parser<http::string_body> parser;
};

HttpAnswerReader::HttpAnswerReader(std::uint64_t body_bytes_max)
    : bytes_max_(HttpReader::kHeaderBytesMax + body_bytes_max), parser_(std::make_unique<Parser>()) {
  set_limits(parser_->parser, body_bytes_max);
}

HttpAnswerReader::~HttpAnswerReader() = default;

std::optional<HttpResponse> HttpAnswerReader::take() {
  auto message = parser_->parser.release();
  HttpResponse response{message.result_int(), std::move(message.body())};
  for (const auto& field : message)
    response.headers.emplace_back(text_of(field.name_string()), text_of(field.value()));
  return response;
}

std::expected<std::optional<HttpResponse>, std::string> HttpAnswerReader::put(std::string_view bytes) {
  // Beast does not hold answers with a length to its limit.
  bytes_ += bytes.size();
  if (bytes_ > bytes_max_) return std::unexpected("its answer is too long");
  in_.append(bytes);
  boost::beast::error_code error;
  const std::size_t used = parser_->parser.put(boost::asio::buffer(in_), error);
  in_.erase(0, used);
  if (error == http::error::need_more) return std::nullopt;
  if (error) return std::unexpected("its answer is no HTTP that could be used: " + error.message());
  return parser_->parser.is_done() ? take() : std::nullopt;
}

std::string_view HttpAnswerReader::body_so_far() const {
  return parser_->parser.get().body();
}

std::expected<HttpResponse, std::string> HttpAnswerReader::end() {
  boost::beast::error_code error;
  if (parser_->parser.got_some() && !parser_->parser.is_done()) parser_->parser.put_eof(error);
  if (error || !parser_->parser.is_done())
    return std::unexpected("it closed the connection in the middle of its answer");
  return *take();
}

}  // namespace fairlead
