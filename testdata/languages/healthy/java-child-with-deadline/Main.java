import java.util.concurrent.*;

public class Main {
    public static void main(String[] args) throws Exception {
        Process p = new ProcessBuilder("as", "sorter", "sort").start();
        if (!p.waitFor(4, TimeUnit.MINUTES)) {
            p.destroyForcibly();
        }
        System.out.println(p.waitFor());
    }
}
