import java.io.*;
import java.net.*;
import java.util.concurrent.*;

public class Main {
    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        for (int i = 0; i < 4; i++) {
            pool.submit(() -> System.out.println("warm"));
        }
        ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        while (true) {
            Socket s = server.accept();
            pool.submit(() -> {
                try (s) {
                    s.getInputStream().transferTo(s.getOutputStream());
                } catch (IOException e) {
                    e.printStackTrace();
                }
            });
        }
    }
}
