// load: makes traffic and measures it; both ends in one program.
//
//   load serve ENDPOINT                              server for all of the following
//   load bulk ENDPOINT STREAMS SECONDS               streams that send all the time
//   load requests ENDPOINT CONNECTIONS RATE SECONDS  64-byte requests; RATE per second in all, 0: as fast as answers
//   come load single ENDPOINT AT_A_TIME SECONDS           a connection for each request
//
// The clients print one line of JSON. Exit code 1 if anything could not be set up.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "bench/load/bulk.h"
#include "bench/load/requests.h"
#include "bench/load/server.h"
#include "bench/load/single.h"
#include "bench/load/sockets.h"

namespace fairlead::load {
namespace {

double number(const char* text, double max) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= 0) || value > max)
    die(std::string("'") + text + "' is no fitting number");
  return value;
}

unsigned count(const char* text) {
  const double value = number(text, 100'000);
  if (value < 1) die("a count is at least 1");
  return static_cast<unsigned>(value);
}

std::chrono::duration<double> seconds(const char* text) {
  return std::chrono::duration<double>(number(text, 3'600));
}

void print(const LoadResult& result) {
  std::printf(
      "{\"seconds\": %.6f, \"bytes\": %llu, \"requests\": %llu, \"errors\": %llu, \"p50_us\": %.1f, \"p99_us\": "
      "%.1f}\n",
      result.seconds, static_cast<unsigned long long>(result.bytes), static_cast<unsigned long long>(result.requests),
      static_cast<unsigned long long>(result.errors), result.latency.percentile_us(0.5),
      result.latency.percentile_us(0.99));
}

int run(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "serve" && argc == 3) serve(parse_endpoint(argv[2]));
  if (verb == "bulk" && argc == 5) {
    print(run_bulk(parse_endpoint(argv[2]), count(argv[3]), seconds(argv[4])));
  } else if (verb == "requests" && argc == 6) {
    print(run_requests(parse_endpoint(argv[2]), count(argv[3]), number(argv[4], 10e6), seconds(argv[5])));
  } else if (verb == "single" && argc == 5) {
    print(run_single(parse_endpoint(argv[2]), count(argv[3]), seconds(argv[4])));
  } else {
    die("usage: load serve ENDPOINT | bulk ENDPOINT STREAMS SECONDS | requests ENDPOINT CONNECTIONS RATE SECONDS | "
        "single ENDPOINT AT_A_TIME SECONDS");
  }
  return 0;
}

}  // namespace
}  // namespace fairlead::load

int main(int argc, char** argv) {
  return fairlead::load::run(argc, argv);
}
