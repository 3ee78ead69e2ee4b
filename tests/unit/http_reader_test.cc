// Requests and answers of HTTP/1.1 as they come: in pieces, several at once, too long, and what is none.
#include "router/site/http_reader.h"

#include <string>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

const std::string kPost =
    "POST /a?b HTTP/1.1\r\nHost: gw.example:9090\r\nName: to-east\r\nContent-Length: 5\r\n\r\nhello";

TEST(HttpReaderTest, ARequestInPieces) {
  HttpReader reader(100);
  EXPECT_TRUE(reader.idle());
  for (std::size_t i = 0; i + 1 < kPost.size(); ++i) {
    reader.put(kPost.substr(i, 1));
    const auto request = reader.next();
    ASSERT_TRUE(request) << i;
    EXPECT_FALSE(*request) << i;
    EXPECT_FALSE(reader.idle());
  }
  reader.put(kPost.substr(kPost.size() - 1));
  const auto request = reader.next();
  ASSERT_TRUE(request && *request);
  EXPECT_EQ((*request)->method, "POST");
  EXPECT_EQ((*request)->target, "/a?b");
  EXPECT_EQ((*request)->path(), "/a");
  EXPECT_EQ((*request)->header("HOST"), "gw.example:9090");
  EXPECT_EQ((*request)->header("missing"), "");
  EXPECT_EQ((*request)->body, "hello");
  EXPECT_TRUE((*request)->keep_alive);
  EXPECT_TRUE(reader.idle());
}

TEST(HttpReaderTest, SeveralAtOnce) {
  HttpReader reader(100);
  reader.put(kPost + "GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ((*reader.next())->method, "POST");
  const auto second = reader.next();
  EXPECT_EQ((*second)->method, "GET");
  EXPECT_FALSE((*second)->keep_alive);
  EXPECT_FALSE(*reader.next());
}

TEST(HttpReaderTest, ABodyInChunks) {
  HttpReader reader(100);
  reader.put("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  EXPECT_EQ((*reader.next())->body, "abc");
}

TEST(HttpReaderTest, TooLongIsSaid) {
  HttpReader body(4);
  body.put(kPost);
  EXPECT_EQ(body.next().error().status, 413U);
  HttpReader chunks(4);
  chunks.put("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(chunks.next().error().status, 413U);
  HttpReader header(4);
  header.put("GET / HTTP/1.1\r\nx: " + std::string(HttpReader::kHeaderBytesMax, 'x'));
  EXPECT_EQ(header.next().error().status, 431U);
}

TEST(HttpReaderTest, WhatIsNoRequestIsSaid) {
  for (const char* text : {"SSH-2.0-x\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01",
                           "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    HttpReader reader(4);
    reader.put(text);
    const auto request = reader.next();
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().status, 400U);
    EXPECT_FALSE(request.error().body.empty());
  }
}

TEST(HttpReaderTest, AnswersAsBytes) {
  HttpRequest request;
  EXPECT_EQ(to_bytes({405, "no\n", "text/plain", {{"Allow", "POST"}}}, request),
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nAllow: POST\r\nConnection: close\r\n"
            "Content-Length: 3\r\n\r\nno\n");
  request.method = "HEAD";
  request.keep_alive = true;
  EXPECT_EQ(to_bytes({200, "no\n", "text/plain"}, request),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n");
}

TEST(HttpAnswerReaderTest, WithALengthOrUntilTheEnd) {
  HttpAnswerReader with_length(100);
  EXPECT_FALSE(*with_length.put("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na"));
  const auto whole = with_length.put("bc");
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->status, 200U);
  EXPECT_EQ((*whole)->body, "abc");
  HttpAnswerReader until_end(100);
  EXPECT_FALSE(*until_end.put("HTTP/1.0 403 No\r\n\r\nab"));
  const auto ended = until_end.end();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status, 403U);
  EXPECT_EQ(ended->body, "ab");
}

TEST(HttpAnswerReaderTest, CutOrTooLongOrNone) {
  HttpAnswerReader cut(100);
  EXPECT_FALSE(*cut.put("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na"));
  EXPECT_FALSE(cut.end());
  HttpAnswerReader nothing(100);
  EXPECT_FALSE(nothing.end());
  for (const char* header : {"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}) {
    HttpAnswerReader too_long(2);
    EXPECT_FALSE(too_long.put(header + std::string(20'000, 'x')));
  }
  HttpAnswerReader none(100);
  EXPECT_FALSE(none.put("SSH-2.0\r\n\r\n"));
}

}  // namespace
}  // namespace fairlead
