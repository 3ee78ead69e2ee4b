// SimFile: what a descriptor refers to. A descriptor and every request in flight hold a reference each, as on Linux:
// closing the descriptor ends nothing while requests are left.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::sim {

// One who waits for a file to change; implemented by the ring's requests.
class FileWaiter {
 public:
  virtual ~FileWaiter() = default;
  virtual void file_changed() = 0;
};

class SimFile {
 public:
  explicit SimFile(unsigned host) noexcept : host_(host) {}

  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;
  virtual ~SimFile() = default;

  virtual std::string describe() const = 0;

  unsigned host() const noexcept { return host_; }

  void add_reference() noexcept { ++references_; }

  void drop_reference() {
    if (--references_ == 0) released();
  }

  void add_waiter(FileWaiter& waiter) { waiters_.push_back(&waiter); }

  void remove_waiter(FileWaiter& waiter) { std::erase(waiters_, &waiter); }

  void wake() {
    for (FileWaiter* waiter : waiters_)
      waiter->file_changed();
  }

 protected:
  // The last reference is gone.
  virtual void released() {}

 private:
  unsigned host_;
  int references_ = 0;
  std::vector<FileWaiter*> waiters_;
};

class SimEvent final : public SimFile {
 public:
  using SimFile::SimFile;

  std::string describe() const override { return "eventfd, value " + std::to_string(value_); }

  void signal() {
    ++value_;
    wake();
  }

  std::uint64_t take() noexcept { return std::exchange(value_, 0); }

  bool readable() const noexcept { return value_ > 0; }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace fairlead::sim
