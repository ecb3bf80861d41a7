import java.util.concurrent.locks.*;

public class Main {
    static final class Book {
        final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
        long sum = 100;
    }

    final Book cash = new Book(), bank = new Book();
    final ReentrantLock audit = new ReentrantLock();

    void move(Book from, Book to) throws InterruptedException {
        from.lock.writeLock().lock();
        try {
            Thread.sleep(100);
            audit.lock();
            try {
                to.sum++;
                from.sum--;
            } finally {
                audit.unlock();
            }
        } finally {
            from.lock.writeLock().unlock();
        }
    }

    long check() throws InterruptedException {
        audit.lock();
        try {
            Thread.sleep(200);
            cash.lock.readLock().lock();
            try {
                return cash.sum + bank.sum;
            } finally {
                cash.lock.readLock().unlock();
            }
        } finally {
            audit.unlock();
        }
    }

    public static void main(String[] args) throws Exception {
        Main books = new Main();
        Process tool = new ProcessBuilder("as", "lister", "cat").start();
        Thread mover = new Thread(() -> {
            try {
                books.move(books.cash, books.bank);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        mover.start();
        System.out.println(books.check());
        mover.join();
        tool.destroy();
    }
}
