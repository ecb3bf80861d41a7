import java.io.*;
import java.util.concurrent.*;

public class Main {
    public static void main(String[] args) throws Exception {
        Process writer = new ProcessBuilder("as", "writer", "cat").redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        PrintStream out = new PrintStream(writer.getOutputStream(), true);
        BlockingQueue<String> rows = new LinkedBlockingQueue<>();
        Thread consumer = new Thread(() -> {
            try {
                while (true) {
                    String row = rows.take();
                    if (row.isEmpty()) {
                        break;
                    }
                    out.println(row);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        consumer.start();
        for (int i = 0; i < 20; i++) {
            rows.put("row " + i);
        }
        consumer.join();
        out.close();
        System.out.println(writer.waitFor());
    }
}
