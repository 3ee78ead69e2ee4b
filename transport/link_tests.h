// LinkTests: the link tests of this site: begun for all sessions of a link at once, and what came of them.
//
// Owner: Transport. Control thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "transport/link_record.h"
#include "transport/link_test.h"

namespace fairlead {

class Transport;

struct LinkTestReport {
  std::string link;  // its name
  std::string site;  // at the other end
  std::size_t sessions = 0;
  bool done = false;
  // Of all sessions together: bytes are added up, times are the longest.
  LinkTestFindings findings;
};

class LinkTests {
 public:
  // That are remembered; beyond it the oldest is forgotten.
  static constexpr std::size_t kReportsMax = 16;

  explicit LinkTests(Transport& transport) noexcept : transport_(transport) {}

  LinkTests(const LinkTests&) = delete;
  LinkTests& operator=(const LinkTests&) = delete;

  // One at a time for a link, which must be up.
  Result<std::uint64_t> begin(const LinkRecord& record, const LinkTestPlan& plan);
  // Before its time; its findings say so.
  void end(std::uint64_t test);
  void take(std::uint64_t test, std::uint64_t session_id, LinkTestFindings findings);
  // Nothing if it is not known, or forgotten.
  std::optional<LinkTestReport> report(std::uint64_t test) const;

 private:
  struct Test {
    std::uint32_t link_id = 0;
    LinkTestReport report;
    std::map<std::uint64_t, LinkTestFindings> parts;  // by session

    bool done() const noexcept;
  };

  Transport& transport_;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, Test> tests_;
};

}  // namespace fairlead
