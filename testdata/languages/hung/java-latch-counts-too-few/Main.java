import java.util.concurrent.*;

public class Main {
    static void convert(String name, CountDownLatch done) {
        try {
            Process p = new ProcessBuilder("sh", "-c", "test -r " + name).start();
            if (p.waitFor() != 0) {
                throw new IllegalStateException(name);
            }
            done.countDown();
        } catch (InterruptedException | java.io.IOException e) {
            throw new RuntimeException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        String[] names = {"/etc/passwd", "/etc/hosts", "/etc/nothing-there"};
        CountDownLatch done = new CountDownLatch(names.length);
        ExecutorService pool = Executors.newCachedThreadPool();
        for (String name : names) {
            pool.submit(() -> convert(name, done));
        }
        done.await();
        pool.shutdown();
        System.out.println("all converted");
    }
}
