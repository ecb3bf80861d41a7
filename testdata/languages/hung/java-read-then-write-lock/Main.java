import java.io.*;
import java.util.*;
import java.util.concurrent.locks.*;

public class Main {
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private final Map<String, String> cache = new HashMap<>();

    String get(String key) {
        lock.readLock().lock();
        try {
            String v = cache.get(key);
            return v != null ? v : load(key);
        } finally {
            lock.readLock().unlock();
        }
    }

    String load(String key) {
        lock.writeLock().lock();
        try {
            return cache.computeIfAbsent(key, String::toUpperCase);
        } finally {
            lock.writeLock().unlock();
        }
    }

    public static void main(String[] args) throws Exception {
        Process p = new ProcessBuilder("as", "cat", "cat").start();
        String v = new Main().get("a");
        p.getOutputStream().write(v.getBytes());
        p.getOutputStream().close();
        p.waitFor();
    }
}
