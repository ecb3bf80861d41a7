#include "linux/process_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "linux/broker.h"
#include "linux/deputy.h"

namespace ipcdoctor::linux {
namespace {
constexpr std::size_t kMaxPages = (256U << 20) / 4096;
constexpr std::size_t kMaxSpare = (2U << 20) / 4096;
constexpr std::size_t kMaxUnmapped = 256;

/// Pages that are not used now: a collection reads hundreds of each process, and fresh memory from
/// the kernel costs more than the reading itself.
std::vector<std::unique_ptr<ProcessMemory::Page>>& spare_pages() {
  thread_local std::vector<std::unique_ptr<ProcessMemory::Page>> pages;
  return pages;
}

std::unique_ptr<ProcessMemory::Page> take_page() {
  auto& spare = spare_pages();
  if (spare.empty()) return std::make_unique_for_overwrite<ProcessMemory::Page>();
  auto page = std::move(spare.back());
  spare.pop_back();
  return page;
}

}  // namespace

void ProcessMemory::drop_cache() const {
  auto& spare = spare_pages();
  for (auto& [start, cached] : pages_)
    if (cached.own != nullptr && spare.size() < kMaxSpare) spare.push_back(std::move(cached.own));
  pages_ = decltype(pages_)();  // its buckets too
  recent_ = {};
}

Result<ProcessMemory> ProcessMemory::open(const ProcDir& process) {
  UniqueFd mem = deputy::open_at(process.fd(), "mem", O_RDONLY);
  const int saved = errno;
  const std::string path = process.path() + "/mem";
  if (!mem.is_open() && cause_of(saved) == Cause::Denied)
    if (auto asked = ask_to_open(process.fd(), "mem")) mem = *std::move(asked);
  if (!mem.is_open()) return Error{cause_of(saved), saved, "open " + path};
  return ProcessMemory(std::move(mem), path);
}

ProcessMemory ProcessMemory::from_pages(const std::map<std::uint64_t, Page>& pages) {
  ProcessMemory memory(UniqueFd(), "recorded memory");
  for (const auto& [start, page] : pages) {
    auto own = std::make_unique<Page>(page);
    const Page* const bytes = own.get();
    memory.pages_.emplace(start, Cached{bytes, std::move(own)});
  }
  return memory;
}

std::map<std::uint64_t, ProcessMemory::Page> ProcessMemory::recorded_pages() const {
  std::map<std::uint64_t, Page> out;
  for (const auto& [start, cached] : pages_) out.emplace(start, *cached.page);
  return out;
}

std::vector<std::uint64_t> ProcessMemory::used_pages() const {
  std::vector<std::uint64_t> out;
  for (const auto& [start, cached] : pages_)
    if (cached.used) out.push_back(start);
  std::ranges::sort(out);
  return out;
}

bool ProcessMemory::is_alive_at(std::uint64_t page) const {
  // any page will do, as one that is not there is an error and the end of the process is not
  char byte = 0;
  return ::pread(mem_.get(), &byte, 1, static_cast<off_t>(page)) != 0;
}

void ProcessMemory::take(const deputy::FetchedPages& pages) const {
  if (pages.empty() || !is_alive_at(pages.front().first)) return;
  pages_.reserve(pages.size());
  for (const auto& [start, bytes] : pages)
    if (bytes != nullptr)
      pages_.try_emplace(start, Cached{reinterpret_cast<const Page*>(bytes), nullptr, false});
}

Result<const ProcessMemory::Page*> ProcessMemory::page_at(std::uint64_t start) const {
  const auto known = pages_.find(start);
  if (known != pages_.end()) {
    known->second.used = true;
    return known->second.page;
  }
  // An offset below zero is no gap in what can be seen: nobody has memory there.
  if (start >= std::uint64_t{1} << 63) return Error{Cause::Malformed, EFAULT, "read " + path_};
  const auto failed = [this, start](Error error) {
    if (error.number == EIO && unmapped_.size() < kMaxUnmapped) unmapped_.push_back(start);
    // one that has ended gives nothing, and no error (mem_rw() of fs/proc/base.c, Linux 6.1)
    if (failure_ && error.number != EIO) failure_ = error;
    return error;
  };
  if (pages_.size() >= kMaxPages) return failed({Cause::Limit, 0, "read " + path_});
  auto page = take_page();
  for (std::size_t size = 0; size < page->size();) {
    const ssize_t n = ::pread(mem_.get(), page->data() + size, page->size() - size,
                              static_cast<off_t>(start + size));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed({cause_of(errno), errno, "read " + path_});
    if (n == 0) return Error{Cause::Gone, 0, "read " + path_};
    size += static_cast<std::size_t>(n);
  }
  const Page* const bytes = page.get();
  pages_.emplace(start, Cached{bytes, std::move(page)});
  return bytes;
}

Status ProcessMemory::read(RemoteAddr address, std::span<std::byte> into) const {
  std::uint64_t at = address.value;
  if (at + into.size() < at || at + into.size() > (std::uint64_t{1} << 63)) {
    return Error{Cause::Malformed, EFAULT, "read " + path_};
  }
  while (!into.empty()) {
    const std::uint64_t offset = at % kPageSize;
    const auto page = page_at(at - offset);
    if (!page) return page.error();
    recent_[at / kPageSize % kRecent] = {at - offset, *page};
    const std::size_t n = std::min<std::size_t>(into.size(), kPageSize - offset);
    std::memcpy(into.data(), (*page)->data() + offset, n);
    into = into.subspan(n);
    at += n;
  }
  return Done{};
}

Result<std::string> ProcessMemory::read_string(RemoteAddr address, std::size_t limit) const {
  std::string text;
  for (std::uint64_t at = address.value; text.size() < limit;) {
    const std::uint64_t offset = at % kPageSize;
    const auto page = page_at(at - offset);
    if (!page) return page.error();
    const auto* begin = reinterpret_cast<const char*>((*page)->data()) + offset;
    const std::size_t room = std::min<std::size_t>(kPageSize - offset, limit - text.size());
    const std::size_t n = ::strnlen(begin, room);
    text.append(begin, n);
    if (n < room) break;
    at += n;
  }
  return text;
}

}  // namespace ipcdoctor::linux
