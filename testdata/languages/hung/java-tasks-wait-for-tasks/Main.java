import java.util.*;
import java.util.concurrent.*;

public class Main {
    static final ExecutorService pool = Executors.newFixedThreadPool(2);

    static int size(int depth) throws Exception {
        if (depth == 0) {
            return 1;
        }
        List<Future<Integer>> parts = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            parts.add(pool.submit(() -> size(depth - 1)));
        }
        Thread.sleep(50);
        int sum = 0;
        for (Future<Integer> part : parts) {
            sum += part.get();
        }
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Process lister = new ProcessBuilder("as", "lister", "cat").start();
        System.out.println(pool.submit(() -> size(3)).get());
        pool.shutdown();
        lister.destroy();
    }
}
