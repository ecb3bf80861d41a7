import java.util.concurrent.*;

public class Main {
    public static void main(String[] args) throws Exception {
        CountDownLatch stop = new CountDownLatch(1);
        ScheduledExecutorService clock = Executors.newScheduledThreadPool(1);
        Process helper = new ProcessBuilder("as", "helper", "cat").start();
        clock.scheduleAtFixedRate(() -> System.out.println(helper.isAlive()), 0, 60, TimeUnit.SECONDS);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            helper.destroy();
            stop.countDown();
        }));
        stop.await();
    }
}
